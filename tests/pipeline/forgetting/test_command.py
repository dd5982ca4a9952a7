"""The command, on a folder of runs that is written by hand."""

import json

import pyarrow.parquet as pq
import pytest

from components.live_models import push
from pipeline.event_log.expected import Row
from pipeline.event_log.store import EventStore
from pipeline.list_log.files import files_of
from pipeline.list_log.redaction import Redaction
from pipeline.list_log.shown import as_table
from pipeline.runs import lock
from tests.support.byte_search import places
from tests.support.catalogue import write_catalogue
from tests.support.examples import write_ratings
from tests.support.logged_page import page
from tests.support.metadata_store import StoreWriter
from trainer_modules.model_card import ModelCard, write_card

LOG = "user_id,item_id,rating\nann,i1,5\nzoe-77,i2,4\n"


@pytest.fixture
def folder(tmp_path):
    """A run on log.csv, in the default folder of runs, whose model is live."""
    out = tmp_path / "marquee-out"
    (tmp_path / "log.csv").write_text(LOG)
    store = StoreWriter(out)
    data = store.read("r1", 1, source=str(tmp_path / "log.csv"))
    made = {"zoe-77": {"i2": 4.0}, "ann": {"i1": 5.0}}
    artifacts = out / "artifacts"
    write_ratings(artifacts / "RatingsExampleGen/examples/1/Split-train/a.gz", made)
    write_catalogue(artifacts / "CatalogueGen/catalogue/2", ["i1", "i2"])
    card = ModelCard("m", 1, {}, origin=store.judge("r1", data, 1, pushes=True))
    write_card(str(tmp_path / "model"), card)
    push.push(tmp_path / "model", out / "live", keep=9)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--user ID or --item ID"),
        (("--user", " "), "is empty"),
        (("--user", "u", "--retrain"), "apply to --apply only"),
        (("--user", "u", "--rewrite-data"), "apply to --apply only"),
        (("--user", "u", "--out", "nowhere"), "not a folder of runs"),
    ],
)
def test_a_wrong_command_line_is_refused(marquee, options, message):
    ended = marquee("forget", *options)
    assert ended.status == 2
    assert message in " ".join(ended.err.split())


def test_it_is_listed_first_and_removed_only_as_a_whole(marquee, folder):
    listed = marquee("forget", "--user", "zoe-77", "--json")
    assert listed.status == 0, listed.err
    found = json.loads(listed.out)
    assert found["data"] == [
        {"path": str(folder / "log.csv"), "rows": 1, "problem": None}
    ]
    [version] = found["versions"]
    assert (version["number"], version["is_live"], version["is_certain"]) == (
        1,
        True,
        True,
    )
    refused = marquee("forget", "--user", "zoe-77", "--apply")
    assert (refused.status, "log.csv: 1 row" in refused.err) == (2, True)
    assert (folder / "log.csv").read_text() == LOG
    assert (folder / "marquee-out/live/1").is_dir()

    done = marquee("forget", "--user", "zoe-77", "--apply", "--rewrite-data")
    assert done.status == 0, done.err
    assert (folder / "log.csv").read_text() == "user_id,item_id,rating\nann,i1,5\n"
    assert places(folder, "zoe-77") == set()
    assert not (folder / "marquee-out/live/1").exists()
    again = marquee("forget", "--user", "zoe-77", "--apply")
    assert (again.status, "Nothing to do" in again.out) == (0, True)


def test_received_events_are_removed(marquee, folder):
    def row(name, user, item):
        return Row(name, user, item, 4.0, "", 1_700_000_000)

    store = EventStore(folder / "marquee-out")
    kept = [row(f"kept-{n}", f"u{n}", "i1") for n in range(500)]
    store.add([kept], 1e9)
    store.add([[row("1", "new-99", "i1"), row("2", "bob", "gone-88")]], 1e9)
    names = ("--user", "new-99", "--item", "gone-88")
    listed = marquee("forget", *names, "--json")
    assert json.loads(listed.out)["received_events"] == 2
    assert "received by servers" in marquee("forget", *names).out
    assert places(folder, "new-99") | places(folder, "gone-88")
    done = marquee("forget", *names, "--apply")  # while a server has the store open
    assert done.status == 0, done.err
    assert places(folder, "new-99") | places(folder, "gone-88") == set()
    assert sum(len(store.of(f"u{n}", ())) for n in range(500)) == 500
    assert store.of("bob", ()) == []
    assert store.add([[row("kept-3", "u3", "i1")]], 1e9) == [0]
    store.close()
    assert "Nothing to do" in marquee("forget", *names, "--apply").out


def test_logged_lists_are_removed(marquee, folder):
    out = folder / "marquee-out"
    pages = [
        page("ann", ["i1", "gone-88"], []),
        page("bob", ["i1"], ["gone-88"]),
        page("fay", ["i1"], [])._replace(pool=["i2", "gone-88"]),
        page("new-99", ["i1"], ["i2"]),
        page("eve", ["i2"], []),
        page("eve", [], ["i1"]),
    ]
    (out / "lists").mkdir()
    for number, some in enumerate((pages, pages[4:], pages[:2])):
        pq.write_table(as_table(some), out / f"lists/lists-{number}.parquet")
    names = ("--user", "new-99", "--item", "gone-88")
    assert json.loads(marquee("forget", *names, "--json").out)["logged_lists"] == 6
    done = marquee("forget", *names, "--apply")
    assert (done.status, "logged by servers" in done.out) == (0, True), done.err
    assert places(folder, "new-99") | places(folder, "gone-88") == set()
    kept = [pq.read_table(path)["user"].to_pylist() for path in files_of(out)]
    assert kept == [["eve", "eve"], ["eve", "eve"], []]
    assert "Nothing to do" in marquee("forget", *names, "--apply").out


def test_lists_that_cannot_be_read_are_removed_as_a_whole(marquee, folder):
    out = folder / "marquee-out"
    (out / "lists").mkdir()
    whole = out / "lists/lists-1.parquet"
    pq.write_table(as_table([page("eve", ["i2"], [])] * 9), whole)
    damaged = out / "lists/lists-2.parquet"
    damaged.write_bytes(whole.read_bytes()[:-50])
    names = ("--user", "new-99")
    found = json.loads(marquee("forget", *names, "--json").out)
    assert found["damaged_lists"] == ["marquee-out/lists/lists-2.parquet"]
    assert "lists that cannot be read" in marquee("forget", *names).out
    assert marquee("forget", *names, "--apply").status == 0
    assert files_of(out) == [whole]


def test_logged_lists_of_hashed_users_are_removed(marquee, folder):
    out = folder / "marquee-out"
    (out / "lists").mkdir()
    pages = [page("new-99", ["i1"], []), page("eve", ["i2"], []), page("eve", [], [])]
    hashed = [Redaction(out, ["user"]).of(each) for each in pages]
    pq.write_table(as_table(hashed), out / "lists/lists-1.parquet")
    names = ("--user", "new-99")
    assert json.loads(marquee("forget", *names, "--json").out)["logged_lists"] == 1
    assert marquee("forget", *names, "--apply").status == 0
    [path] = files_of(out)
    assert pq.read_table(path)["user"].to_pylist() == [hashed[1].user] * 2


def test_it_does_not_wait_for_a_run(marquee, folder):
    with lock.held(folder / "marquee-out" / lock.LOCK_FILE, "run"):
        assert marquee("forget", "--user", "zoe-77").status == 7

"""The files that runs have read, and their rows; stores are written by hand."""

import json
import os

import pytest

from components.ratings_example_gen import Settings
from components.ratings_example_gen.spans import find_spans, fingerprint
from pipeline.forgetting.ids import Ids
from pipeline.forgetting.plan import NotForgottenError, check, make_plan
from pipeline.forgetting.sources import find_in_sources, rewrite
from pipeline.retraining.spans import TakenIn
from tests.support.metadata_store import StoreWriter

ZOE = Ids(users=frozenset({"zoe"}))
LOG = "user_id,item_id,rating\nann,i1,5\nzoe,i2,4\nbob,i3,3\n"
KEPT = "user_id,item_id,rating\nann,i1,5\nbob,i3,3\n"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def store(out):
    return StoreWriter(out)


def read(store, source, pattern="*", **settings):
    """Records that a run read a source."""
    packed = {
        "@type": "S",
        "value": Settings(split_kind="random", **settings).to_json(),
    }
    properties = {
        "input_base": str(source),
        "input_config": json.dumps({"splits": [{"name": "r", "pattern": pattern}]}),
        "custom_config": json.dumps({"custom_config": packed}),
    }
    store.step("RatingsExampleGen", "r1", [], [], properties)


def write_spans(folder, **texts):
    for name, text in texts.items():
        span = folder / name.strip("_")
        span.mkdir(parents=True)
        (span / "ratings.csv").write_text(text)
        (span / "_SUCCESS").touch()


def found_in(out, folder):
    files = find_in_sources(out, ZOE).files
    return {str(file.path.relative_to(folder)): file.rows for file in files}


def test_all_sources_are_searched_with_their_files_of_users(tmp_path, out, store):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.csv").write_text(LOG)
    (tmp_path / "data" / "users.csv").write_text("user_id,age\nzoe,7\nann,8\n")
    read(store, tmp_path / "data")
    read(store, tmp_path / "data")  # the same again
    read(store, tmp_path / "gone")
    write_spans(tmp_path / "spans", _1=LOG, _2=KEPT, _3=LOG + "zoe,i1,1\n")
    read(store, tmp_path / "spans", spans=("1", "2"))  # the third came later
    expected = {"data/log.csv": 1, "data/users.csv": 1}
    expected |= {"spans/1/ratings.csv": 1, "spans/3/ratings.csv": 2}
    assert found_in(out, tmp_path) == expected


def test_a_file_of_two_sources_is_rewritten_as_a_span(tmp_path, out, store):
    write_spans(tmp_path / "spans", _1=LOG)
    read(store, tmp_path / "spans" / "1", "ratings.csv")
    read(store, tmp_path / "spans", spans=("1",))
    [file] = find_in_sources(out, ZOE).files
    assert (file.is_span, file.rows) == (True, 1)


def test_fingerprints_follow_but_not_those_of_changed_spans(tmp_path, out, store):
    spans = tmp_path / "spans"
    write_spans(spans, _1=LOG, _2=KEPT, _3=LOG)
    read(store, spans, spans=("1", "2", "3"))
    recorded = {span.name: fingerprint(span) for span in find_spans(str(spans))}
    recorded["3"] = "that of other bytes"
    TakenIn(dict(recorded)).write(out)
    os.chmod(spans / "1" / "ratings.csv", 0o640)
    rewrite(out, find_in_sources(out, ZOE).files)
    assert [path.read_text() for path in sorted(spans.rglob("*.csv"))] == 3 * [KEPT]
    assert (spans / "1" / "ratings.csv").stat().st_mode & 0o777 == 0o640
    now = {span.name: fingerprint(span) for span in find_spans(str(spans))}
    assert TakenIn.read(out).spans == {**now, "3": "that of other bytes"}
    assert now["1"] != recorded["1"]
    assert now["2"] == recorded["2"]
    assert found_in(out, tmp_path) == {}


def test_a_link_is_kept_and_its_target_rewritten(tmp_path, out, store):
    (tmp_path / "elsewhere.csv").write_text(LOG)
    (tmp_path / "log.csv").symlink_to(tmp_path / "elsewhere.csv")
    read(store, tmp_path, "log.csv")
    rewrite(out, find_in_sources(out, ZOE).files)
    assert (tmp_path / "log.csv").is_symlink()
    assert (tmp_path / "elsewhere.csv").read_text() == KEPT


def test_unfinished_spans_are_named_and_not_read(tmp_path, out, store):
    write_spans(tmp_path / "spans", _1=KEPT, _2=LOG)
    (tmp_path / "spans" / "2" / "_SUCCESS").unlink()
    (tmp_path / "spans" / "2" / "part.parquet").write_bytes(b"PAR1 is being written")
    read(store, tmp_path / "spans", spans=("1",))
    found = find_in_sources(out, ZOE)
    assert found.files == ()
    assert found.unsearched == (str(tmp_path / "spans" / "2"),)


def test_a_file_is_rewritten_only_if_a_person_wants_it(tmp_path, out, store):
    (tmp_path / "log.csv").write_text(LOG)
    read(store, tmp_path, "log.csv")
    plan = make_plan(out, ZOE)
    with pytest.raises(NotForgottenError, match=r"log.csv: 1 row\n.*--rewrite-data"):
        check(plan, rewrites_data=False)
    check(plan, rewrites_data=True)


def test_a_data_set_of_marquee_is_not_rewritten(tmp_path, out, store, monkeypatch):
    monkeypatch.setenv("MARQUEE_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "sample-1").mkdir(parents=True)
    (tmp_path / "cache" / "sample-1" / "ratings.csv").write_text(LOG)
    read(store, tmp_path / "cache" / "sample-1")
    with pytest.raises(NotForgottenError, match="generates or downloads"):
        check(make_plan(out, ZOE), rewrites_data=True)

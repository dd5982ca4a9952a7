"""Lists and events of a real server become the figures that were counted by hand."""

import json
import re
import time

import msgspec
import pytest

from pipeline.config.sections import PipelineConfig
from tests.support import online_logs
from tests.support.run_record import make_record, write_record
from tests.support.server import serving, until

WINDOW = 5  # seconds


@pytest.fixture(scope="module")
def used(out, tmp_path_factory):
    """A folder of which ann and a new user were shown lists, and clicked items."""
    config = msgspec.to_builtins(PipelineConfig())
    config["online"] = {"attribution_window": f"{WINDOW}s"}
    write_record(out, "r1", config=config)
    options = ("--log-lists", "1", "--events", str(tmp_path_factory.mktemp("spans")))
    with serving(out, *options) as client:
        until(client, "/v1/recommend/cal?k=1")  # a list, of one item

        def shown(path):
            answer = client.get(f"/v1/recommend/{path}").json()
            items = [item["item_id"] for item in answer["items"]]
            return items, int(time.time()), answer.get("next")

        first, at_first, cursor = shown("ann?k=3")
        second, at_second, _ = shown(f"ann?k=2&cursor={cursor}")
        new, at_new, _ = shown("new?k=5")
        assert (first, second) == (["28", "26", "25"], ["24", "23"])
        assert new == ["30", "29", "28", "27", "26"]
        events = [
            ("ann", "26", at_first),
            ("ann", "26", at_first),  # a second event is not a second click
            ("ann", "24", at_second),
            ("ann", "1", at_second),  # not shown
            ("new", "30", at_new + WINDOW),  # too late, or at the end of the window
            ("new", "28", at_new - 60),  # before the list
        ]
        names = ("user_id", "item_id", "timestamp")
        sent = [
            {
                "event_id": f"e{number}",
                "rating": 5,
                **dict(zip(names, event, strict=True)),
            }
            for number, event in enumerate(events)
        ]
        answer = client.post("/v1/events", json={"events": sent})
        assert answer.json()["accepted"] == len(events)
        before = client.get("/metrics").text
        assert "marquee_list_log_share 1.0" in before
        assert "# TYPE marquee_online_ctr gauge" in before
    time.sleep(max(0, at_new + WINDOW + 1 - time.time()))
    return out


def test_the_command_has_the_figures_counted_by_hand(used, marquee):
    ended = marquee("online", "--out", str(used), "--json")
    assert (ended.status, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert (found["window"], found["not_over"]) == (WINDOW, 0)
    [version] = found["versions"]
    whole = version["slices"]["all"]
    # cal's list of 1, ann's pages of 3 and 2, and the new user's list of 5.
    assert (whole["users"], whole["lists"], whole["impressions"]) == (3, 4, 11)
    assert (whole["clicks"], whole["ctr"]["value"]) == (2, 2 / 11)
    assert version["slices"]["known"]["ctr"]["value"] == 2 / 5
    assert version["slices"]["unknown"]["clicks"] == 0
    # Positions 1 to 5: three lists and one page begin at 1, ann's second page at 4.
    shares = [rate["value"] for rate in version["positions"]]
    assert shares == [0, 1 / 2, 0, 1 / 2, 0]
    # ann, cal and the new user were shown 23 to 30, of a catalogue of 30 items.
    assert (version["items"], version["coverage"]) == (8, 8 / 30)


def test_within_overrides_the_window(used, marquee):
    ended = marquee("online", "--out", str(used), "--json", "--within", "1d")
    found = json.loads(ended.out)
    assert (found["window"], found["not_over"], found["versions"]) == (86_400, 4, [])
    assert marquee("online", "--within", "soon").status == 2


def test_the_table_and_show_have_it(used, marquee):
    assert re.search(
        r"1 ruled-1 +4 +18\.18%", marquee("online", "--out", str(used)).out
    )
    write_record(used, "r2", live=make_record().live)
    # It is older than the version, so that `show` does not read it.
    old = used / "lists/lists-20201120T000000.000000Z-1.parquet"
    page = online_logs.shown("u", "a", 1_605_830_000, version=1, model="ruled-1")
    online_logs.write_lists(used, [page], old.name)
    shown = marquee("show", "--out", str(used)).out
    old.unlink()
    assert re.search(r"Online +CTR 18\.18% .*4 lists", shown)


def test_a_server_exports_them(used):
    with serving(used) as client:
        end = time.monotonic() + 60
        while "marquee_online_ctr{" not in (text := client.get("/metrics").text):
            assert time.monotonic() < end, client.log.read_text()[-2000:]
            time.sleep(0.1)
    labels = re.escape('{model="ruled-1",version="1"}')
    values = dict(re.findall(rf"^(marquee_online_\w+){labels} (\S+)$", text, re.M))
    assert float(values["marquee_online_ctr"]) == 2 / 11
    assert float(values["marquee_online_lists"]) == 4
    assert float(values["marquee_online_impressions"]) == 11
    assert float(values["marquee_online_clicks"]) == 2
    assert float(values["marquee_online_coverage"]) == 8 / 30
    assert "marquee_online_damaged_files 0.0" in text


def test_a_damaged_file_is_named_once_in_the_log(used):
    (used / "lists/lists-29991231T000000.000000Z-1.parquet").write_bytes(b"PAR1")
    with serving(used) as client:
        end = time.monotonic() + 60
        while "marquee_online_damaged_files 1.0" not in client.get("/metrics").text:
            assert time.monotonic() < end, client.log.read_text()[-2000:]
            time.sleep(0.1)
        assert "marquee_online_ctr{" in client.get("/metrics").text
        assert client.log.read_text().count("lists-29991231") == 1

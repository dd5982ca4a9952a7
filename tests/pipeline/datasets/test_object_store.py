"""A real MinIO."""

import json
import re

import pytest

from components.ratings_example_gen.stores import s3
from tests.support import object_store
from tests.support.command import ROOT
from tests.support.command import marquee as marquee_in_a_process
from tests.support.databases import free_port
from tests.support.logs import SPAN_RATINGS, write_span

pytestmark = pytest.mark.sources

LOG = "".join(
    f"u{n % 11},i{n % 7},{n % 5 + 1},{1_600_000_000 + n}\n" for n in range(3000)
)
HEADER = "user_id,item_id,rating,timestamp\n"
ITEMS = "item_id,title\n" + "".join(f"i{n},Film {n}\n" for n in range(7))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with object_store.minio(tmp_path_factory.mktemp("minio")) as environment:
        yield environment


@pytest.fixture
def bucket(store, monkeypatch):
    """Puts objects into the bucket; the variables of its clients are set."""
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    s3._client_of.cache_clear()  # it has the variables of another test
    client = object_store.client(store)

    def put(objects):
        for key, text in objects.items():
            client.put_object(Bucket=object_store.BUCKET, Key=key, Body=text.encode())
        return f"s3://{object_store.BUCKET}"

    return put


def inspected(marquee, place):
    looked = marquee("data", place, "--json")
    assert looked.status == 0, looked.err
    return json.loads(looked.out)


def test_a_folder_is_inspected_as_on_this_machine(bucket, marquee, tmp_path):
    parts = {
        "part-0.csv": HEADER + LOG,
        "deep/part-1.csv": HEADER + "u11,i0,5,1700000000\n",
        "items.csv": ITEMS,
        "_SUCCESS": "",
    }
    url = bucket({f"whole/{name}": text for name, text in parts.items()})
    for name, text in parts.items():
        path = tmp_path / "whole" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    here = inspected(marquee, str(tmp_path / "whole"))
    there = inspected(marquee, f"{url}/whole/")
    assert (here["read"], here["users"], here["items_file"]["rated"]) == (3001, 12, 7)
    text = json.dumps(there).replace(f"{url}/whole", str(tmp_path / "whole"))
    assert json.loads(text) == here


def test_one_object_and_its_neighbours_are_read(bucket, marquee):
    url = bucket({"one/log.csv": HEADER + LOG, "one/items.csv": ITEMS})
    found = inspected(marquee, f"{url}/one/log.csv")
    assert (found["read"], found["items"]) == (3000, 7)
    assert found["items_file"]["matched"] == 7


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("s3://data/nothing", "no such object"),
        ("s3://no-such-bucket/x", "bucket does not exist|no such object"),
        ("s4://data/x", r"s4://data/x: Unable to get filesystem"),
    ],
)
def test_what_does_not_exist_is_reported(bucket, marquee, place, reason):
    bucket({})
    looked = marquee("data", place)
    assert looked.status == 3, looked.err
    assert re.search(reason, looked.err), looked.err


def test_a_server_that_does_not_answer_is_reported(bucket, marquee, monkeypatch):
    url = bucket({})
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    looked = marquee("data", f"{url}/one/log.csv")
    assert looked.status == 3, looked.err
    assert "Could not connect" in looked.err


def test_wrong_keys_are_reported_without_them(bucket, marquee, monkeypatch):
    url = bucket({"one/log.csv": HEADER + LOG})
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong secret of these tests")
    looked = marquee("data", f"{url}/one/log.csv")
    assert looked.status == 3, looked.err
    assert "AWS_SECRET_ACCESS_KEY" in looked.err
    assert "wrong secret" not in looked.err


@pytest.mark.timeout(900)
def test_spans_are_retrained_on_until_a_new_one_is_complete(bucket, tmp_path):
    def upload(day):
        write_span(tmp_path / "spans", day)
        [span] = sorted((tmp_path / "spans").iterdir())[-1:]
        return bucket({f"spans/{span.name}/{p.name}": p.read_text()
                       for p in sorted(span.iterdir())})  # fmt: skip

    def retrain():
        return marquee_in_a_process(
            ROOT,
            *("retrain", "--data", f"{url}/spans/", "--out", str(tmp_path / "out")),
            *("--models", "popularity"),
        )

    url = upload(0)
    upload(1)
    first = retrain()
    assert {step["state"] for step in first.run["steps"]} == {"done"}, first.text
    assert first.run["spans"]["names"] == ["2026-11-15", "2026-11-16"]
    assert first.run["rows"]["read"] == 2 * SPAN_RATINGS
    again = retrain()
    assert again.status == 0, again.text
    assert again.run["run"]["id"] == first.run["run"]["id"]  # there is no other run
    upload(2)
    second = retrain()
    assert second.run["spans"]["new"] == ["2026-11-17"]
    assert second.run["rows"]["read"] == 3 * SPAN_RATINGS

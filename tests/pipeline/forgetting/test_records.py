"""Records and logs of runs, written by hand."""

import json

import pytest

from pipeline.forgetting.ids import Ids
from pipeline.forgetting.records import find_records, remove_from

FILES = {
    "runs/1/run.json": json.dumps({"rows": 42, "first": ["7", "42"]}, indent=1),
    "runs/1/run.log": "read 41 rows, the first of user 42\n\xff",
    "runs/1/report.html": "<td>42</td>",
    "runs/2/run.json": json.dumps({"rows": 42}),  # a number, not the user
    "runs/2/run.log": "read 41 rows",
    "spans.json": json.dumps({"spans": {"42": "hash"}, "reading": "such as '42'"}),
    "schedule.jsonl": '{"missed": 42, "verdict": "ok"}\n{"verdict": "user 42"}\n',
    "schedule.log": "user 42\n",
    "schedule.log.1": "user 43\n",
    "artifacts/RatingsExampleGen/examples/1/quarantine.jsonl": '{"text": "42,i1"}\n',
    "artifacts/RatingsExampleGen/examples/2/quarantine.jsonl": '{"text": "42,i1"}\n',
}


@pytest.fixture
def out(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    return tmp_path


def test_only_ids_are_replaced_and_reports_removed(out):
    ids = Ids(frozenset({"42"}))
    gone = out / "artifacts/RatingsExampleGen/examples/2"
    found = find_records(out, ids, {gone})
    assert {str(record.path.relative_to(out)) for record in found} == {
        *("runs/1/run.json", "runs/1/run.log", "runs/1/report.html"),
        *("spans.json", "schedule.jsonl", "schedule.log"),
        "artifacts/RatingsExampleGen/examples/1/quarantine.jsonl",
    }
    for record in found:
        remove_from(record, ids)
    assert json.loads((out / "runs/1/run.json").read_text()) == {
        "rows": 42,
        "first": ["7", "(forgotten)"],
    }
    log = (out / "runs/1/run.log").read_bytes()
    assert log == b"read 41 rows, the first of user (forgotten)\n\xff"
    assert not (out / "runs/1/report.html").exists()
    lines = (out / "schedule.jsonl").read_text().splitlines()
    assert lines[0] == '{"missed": 42, "verdict": "ok"}'
    assert json.loads(lines[1]) == {"verdict": "user (forgotten)"}
    for name in ("runs/2/run.json", "runs/2/run.log", "schedule.log.1"):
        assert (out / name).read_text() == FILES[name]
    assert find_records(out, ids, {gone}) == []

"""Old runs are deleted; the live model still answers, has its lineage, rolls back."""

import json
import shutil

import pytest

from tests.support.finished_runs import done, executions, live_files
from tests.support.logs import write_log
from tests.support.metadata_tables import dangling
from tests.support.starter import run_arguments

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(1800)]


def test_what_is_live_is_as_it_was_when_old_runs_are_forgotten(tmp_path, starter):
    out = tmp_path / "out"
    logs = [tmp_path / f"log-{number}.csv" for number in range(3)]
    for shift, log in enumerate(logs):
        write_log(log, shift=shift)

    # The gate rejects every model of the second log.
    refused = {logs[1]: ("--set", "gate.min_users=1000")}

    def run(log):
        ended = starter.run(*run_arguments(log, out), *refused.get(log, ()))
        assert ended.status in ((5,) if log in refused else (0, 5)), ended.text
        return ended.status

    def printed(*arguments):
        ended = starter.run(*arguments, "--json", "--out", out)
        assert ended.status == 0, ended.text
        return json.loads(ended.text)

    assert run(logs[0]) == 0
    for log in (*logs, *logs):  # first executed, then from the cache
        run(log)
    commands = [("recommend", "--user", "u1"), ("lineage",), ("versions",)]
    before = [printed(*command) for command in commands]
    files, size = live_files(out), sum(f.stat().st_size for f in out.rglob("*"))

    listed = printed("clean", "--keep-runs", "1")
    assert {entry["reason"] for entry in listed} == {
        "belongs to old runs, and is not needed"
    }
    last = max(number for number, *_ in executions(out))
    forgot = starter.run("clean", "--keep-runs", "1", "--yes", "--out", out)
    assert forgot.status == 0, forgot.text
    assert printed("clean", "--keep-runs", "1") == []
    assert dangling(out) == {}
    assert sum(f.stat().st_size for f in out.rglob("*")) < size
    assert live_files(out) == files
    assert [printed(*command) for command in commands] == before

    # The newest data are cached; the second log's, which nothing needed, are not.
    run(logs[2])
    assert set(done(out, last)) <= {"LiveModel"}
    last = max(number for number, *_ in executions(out))
    run(logs[1])
    assert done(out, last)["RatingsExampleGen"] == 1
    assert dangling(out) == {}
    run(logs[0])
    assert printed("versions")[-1]["problem"] is None
    shutil.rmtree(out)

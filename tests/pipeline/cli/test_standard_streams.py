"""Every command prints on an ASCII terminal of 40 columns, and without a reader."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import POOR_TERMINAL

ROOT = Path(__file__).parents[3]
RUN = "20260101-000000"


@pytest.fixture
def folder(tmp_path, pushed, finished_run):
    """A folder of runs with versions, and names that ASCII lacks."""
    out = tmp_path / "marquee-out"
    run = out / "runs" / RUN
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(finished_run))
    (tmp_path / "größe.csv").write_text(
        "user_id,item_id,rating,timestamp\n"
        + "".join(
            f"ü{user},ö{item},{1 + (user * item) % 5},{1_600_000_000 + user}\n"
            for user in range(8)
            for item in range(1, 6)
        )
    )
    return tmp_path


@pytest.fixture
def finished_run():
    """An old run, as `marquee show --json` has it."""
    model = {
        **{"name": "gmf", "state": "trained", "verdict": "live", "rule": "× … – ✓"},
        **{"metrics": {"ndcg@10": 0.5}, "intervals": {"ndcg@10": [0.4, 0.6]}},
        **{"slices": {}, "findings": [], "parameters": 10, "train_seconds": 1.0},
        **{"samples_per_second": 5.0, "share_of_users": None},
    }
    return {
        "run": {
            **{"id": RUN, "started": "2026-01-01T00:00:00+00:00", "seconds": 1.0},
            **{"out": "marquee-out", "status": "nothing changed", "log": "run.log"},
        },
        "config": {},
        "data": {"source": "größe.csv"},
        "spans": None,
        "rows": dict.fromkeys(
            ("read", "kept", "quarantined", "duplicates", "truncated"), 1
        ),
        "steps": [],
        "models": [model],
        "not_pushed": "",
        "live": {"version": "2", "model": "neumf"},
        "gate": {
            "metric": "ndcg@10",
            "live": None,
            "serving": {"check": None, "blessed": True, "problems": []},
        },
        "changed": False,
    }


def marquee(folder, *arguments, environment=(), **options):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **dict(environment)},
        check=False,
        **{"capture_output": True, **options},
    )


COMMANDS = [
    (["--help"], 0),
    (["models"], 0),
    (["data", "größe.csv"], 0),
    (["data", "größe.csv", "--json"], 0),
    (["versions"], 0),
    (["versions", "--json"], 0),
    (["show"], 0),
    (["compare", RUN, RUN], 0),
    (["clean"], 0),
    (["schedule", "--log"], 0),
    (["run", "--data", "gibt—es—nicht"], 3),
    (["lineage"], 2),
    (["show", "nichts…"], 2),
    (["rollback"], 0),
]


@pytest.mark.parametrize(("arguments", "status"), COMMANDS, ids=lambda a: str(a))
def test_it_prints_in_ascii_in_forty_columns(folder, arguments, status):
    ended = marquee(folder, *arguments, environment=POOR_TERMINAL)
    both = ended.stdout + ended.stderr
    assert ended.returncode == status, both
    assert b"Traceback" not in both
    assert b"UnicodeEncodeError" not in both
    assert both
    if "--json" not in arguments:  # which is UTF-8 for its parser
        both.decode("ascii")


def test_signs_have_words_that_ascii_knows(folder):
    output = marquee(folder, "show", environment=POOR_TERMINAL).stdout.decode("ascii")
    assert "x ... - +" in output
    assert "gr??e.csv" in output


@pytest.mark.parametrize("command", [["versions"], ["models"], ["show", "--json"]])
def test_a_reader_that_leaves_is_no_error(folder, command):
    read, write = os.pipe()
    os.close(read)
    told = marquee(
        folder, *command, capture_output=False, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert told.stderr == b""
    assert told.returncode in (0, 141)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(folder, closed):
    command = f'"{sys.executable}" -m pipeline versions {closed}'
    told = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")

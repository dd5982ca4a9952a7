"""What is printed for programs, for narrow terminals and without colours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config.describe import known_keys
from trainer_modules.registry import MODELS

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.5,0\n1,20,3.0,86400\n2,10,1.0,9\n"
FIRING = {
    **{"event": "ended", "due": "2026-10-24T01:00:00Z", "exit_status": 0},
    **{"started": "2026-10-24T01:00:00Z", "ended": "2026-10-24T01:05:02Z"},
    **{"cron": "0 3 * * *", "timezone": "UTC", "run": "x", "verdict": "changed"},
}


@pytest.fixture
def prepared(marquee, pushed):
    """The command, where there is something for each of its tables."""
    Path("ratings.csv").write_text(RATINGS)
    Path("marquee-out/schedule.jsonl").write_text(json.dumps(FIRING) + "\n")
    return marquee


TABLES = (
    ["models"],
    ["data", "ratings.csv"],
    ["versions"],
    ["schedule", "--log"],
)


def test_what_is_told_to_programs(prepared):
    def told(*arguments):
        shown = prepared(*arguments, "--json")
        assert shown.status == 0, shown.err
        return json.loads(shown.out)

    assert [model["name"] for model in told("models")] == list(MODELS)
    assert told("models")[1]["settings"]["epochs"] == 8
    summary = told("data", "ratings.csv")
    assert (summary["read"], summary["users"], summary["items"]) == (3, 2, 2)
    Path("marquee-out/live/1/saved_model.pb").write_text("something else")
    newest, oldest = told("versions")
    assert (newest["number"], newest["model"], newest["problem"]) == (2, "neumf", None)
    assert "saved_model.pb" in oldest["problem"]
    assert told("schedule", "--log")[0]["verdict"] == "changed"


@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_a_narrow_terminal_and_no_colour(prepared, monkeypatch, arguments):
    wide = prepared(*arguments)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    narrow = prepared(*arguments)
    assert narrow.status == wide.status == 0
    assert "\x1b" not in narrow.out
    assert max(map(len, narrow.out.splitlines())) <= 40
    squeezed = "".join(narrow.out.split())
    for word in {"models": ["mf_als"], "versions": ["neumf", "mf_als"]}.get(
        arguments[0], []
    ):
        assert word in squeezed


def completions(typed, cwd):
    """What the shell would offer, by click's protocol; and that it comes quickly."""
    code = (
        "import sys\n"
        "from pipeline.cli import main\n"
        "try: main(prog_name='marquee')\n"
        "finally: assert not {'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "_MARQUEE_COMPLETE": "bash_complete",
            "COMP_WORDS": f"marquee {typed}",
            "COMP_CWORD": str(len(typed.split(" "))),
        },
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return [line.partition(",")[2] for line in done.stdout.split("\n") if line]


def test_the_shell_completes_names(pushed, tmp_path):
    run = tmp_path / "marquee-out" / "runs" / "20261122-031500"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    assert completions("run --models mf", tmp_path) == ["mf_als", "mf_sgd"]
    assert completions("run --models neumf,mf_a", tmp_path) == ["neumf,mf_als"]
    assert completions("run --set split.k", tmp_path) == ["split.kind="]
    assert completions("show 2026", tmp_path) == ["20261122-031500"]
    assert completions("show --out nowhere 2026", tmp_path) == []
    assert completions("rollback ", tmp_path) == ["1"]


def test_every_setting_can_be_completed():
    keys = set(known_keys())
    assert {"models.neumf.embedding_dim", "gate.floors.auc", "out"} <= keys

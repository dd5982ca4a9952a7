"""Every command in the README works, in the order of the page."""

import shlex
from pathlib import Path

import pandas as pd
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(2400)]
README = Path(__file__).parents[2] / "README.md"
SCHEDULE = 'marquee schedule --cron "0 3 * * *" --data spans'  # it never ends
# The two of make are what CI itself runs; MovieLens 1M has tests/accuracy, spans that
# grow test_retrain.py; the schedule and the server have their tests in tests/pipeline.
ELSEWHERE = (
    *("make run", "make test", "marquee run --data ml-1m"),
    *("marquee retrain --data spans", SCHEDULE, "marquee serve"),
)
# They make another environment: test_install.py runs them.
INSTALL = ("python3.11 -m venv", "environment/bin/pip install")
# These need a run, which the README starts below them.
NEED_A_RUN = ("show", "report", "recommend", "batch", "lineage", "compare")


def test_commands_of_the_readme(
    marquee, copy_of_the_code, commands, own_ratings, tmp_path
):
    code, out = copy_of_the_code(), str(tmp_path / "out")
    (code / "my-ratings.csv").write_text(own_ratings)
    ran = []
    for command in commands(README):
        if command in ELSEWHERE or command.startswith(INSTALL):
            continue
        name, *arguments = shlex.split(command)
        assert name == "marquee"
        if arguments[0] in ("run", "versions"):
            arguments += ["--out", out]
        if arguments[0] in NEED_A_RUN:
            continue
        result = marquee(code, *arguments)
        assert result.status == 0, f"{command}\n{result.text}"
        ran.append(arguments[0])
    assert ran == ["versions", "models", "doctor", "run", "data", "schema", "run"]
    for command, said in (
        (("show",), "is live"),
        (("report",), "report.html"),
        (("versions",), "mf_als"),
        (("recommend", "--user", "u1"), "User u1"),
        (("lineage",), "my-ratings.csv"),
        (("compare", *run_ids(out)), "live"),
    ):
        after = marquee(code, *command, "--out", out)
        assert after.status == 0, after.text
        assert said in after.text
    lists = marquee(code, "batch", "--runs", out, "--out", "recs.parquet")
    assert lists.status == 0, lists.text
    assert set(pd.read_parquet(code / "recs.parquet").user_id) <= set(
        pd.read_csv(code / "my-ratings.csv").user_id
    )


def run_ids(out):
    """Returns the IDs of the two newest runs, the older one first."""
    return [path.parent.name for path in sorted(Path(out).glob("runs/*/run.json"))][-2:]

"""Every command in the README works, in the order of the page."""

import shlex
from pathlib import Path

import pandas as pd
import pytest

from tests.support.command import marquee, shell_lines
from tests.support.logs import own_ratings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
README = Path(__file__).parents[2] / "README.md"
SCHEDULE = 'marquee schedule --cron "0 3 * * *" --data spans'  # does not end
# CI itself runs the two make targets. MovieLens 1M is tested in tests/accuracy, growing
# spans in test_retrain.py, the schedule, the server and its log in tests/pipeline, and
# the features in the log in test_served_skew.py.
ELSEWHERE = (
    *("make run", "make test", "marquee run --data ml-1m"),
    *("marquee retrain --data spans", SCHEDULE, "marquee serve", "marquee replay"),
    *("marquee online", "marquee trial", "marquee skew"),
)
# These create another environment; tests/test_setup.py runs them.
INSTALL = ("python3.11 -m venv", "environment/bin/pip install")
# These need a run, which comes later on the page.
NEED_A_RUN = (
    *(
        "show",
        "report",
        "recommend",
        "batch",
        "similar",
        "forget",
        "lineage",
        "compare",
    ),
)


def test_commands_of_the_readme(copy_of_the_code, tmp_path):
    code, out = copy_of_the_code(), str(tmp_path / "out")
    (code / "my-ratings.csv").write_text(own_ratings())
    ran = []
    for command in shell_lines(README):
        if command in ELSEWHERE or command.startswith(INSTALL):
            continue
        name, *arguments = shlex.split(command)
        assert name == "marquee"
        if arguments[0] in ("run", "tune", "versions"):
            arguments += ["--out", out]
        if arguments[0] in NEED_A_RUN:
            continue
        result = marquee(code, *arguments)
        assert result.status == 0, f"{command}\n{result.text}"
        ran.append(arguments[0])
    assert ran == [
        *("tune", "versions", "models", "doctor"),
        *("run", "data", "schema", "run"),
    ]
    for command, expected in (
        (("show",), "is live"),
        (("report",), "report.html"),
        (("versions",), "as pushed"),
        (("recommend", "--user", "u1"), "User u1"),
        (("similar", "i1"), "Similar to i1"),
        (("forget", "--user", "u1"), "Nothing was changed"),
        (("lineage",), "my-ratings.csv"),
        (("compare", *run_ids(out)), "live"),
    ):
        after = marquee(code, *command, "--out", out)
        assert after.status == 0, after.text
        assert expected in after.text
    lists = marquee(code, "batch", "--runs", out, "--out", "recs.parquet")
    assert lists.status == 0, lists.text
    assert set(pd.read_parquet(code / "recs.parquet").user_id) <= set(
        pd.read_csv(code / "my-ratings.csv").user_id
    )


def run_ids(out):
    """Returns the IDs of the two newest runs, the older one first."""
    return [path.parent.name for path in sorted(Path(out).glob("runs/*/run.json"))][-2:]

"""Every command in the README works, in the order in which it stands there."""

import re
import shlex
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]
README = Path(__file__).parents[2] / "README.md"
SCHEDULE = 'marquee schedule --cron "0 3 * * *" --data spans'  # it never ends
# The two of make are what CI itself runs; MovieLens 1M has tests/accuracy, spans that
# grow test_retrain.py, and the schedule tests/pipeline/test_schedule.py.
ELSEWHERE = (
    *("make run", "make test", "marquee run --data ml-1m"),
    *("marquee retrain --data spans", SCHEDULE),
)


def commands():
    for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL):
        for line in block.splitlines():
            yield line.partition("#")[0].strip()


def test_commands_of_the_readme(marquee, copy_of_the_code, own_ratings, tmp_path):
    code, out = copy_of_the_code(), str(tmp_path / "out")
    (code / "my-ratings.csv").write_text(own_ratings)
    ran = []
    for command in commands():
        if command in ELSEWHERE:
            continue
        name, *arguments = shlex.split(command)
        assert name == "marquee"
        if arguments[0] in ("run", "show", "versions", "lineage"):
            arguments += ["--out", out]
        if arguments[0] in ("show", "recommend", "lineage"):
            continue  # needs the run, which stands below it
        result = marquee(code, *arguments)
        assert result.status == 0, f"{command}\n{result.text}"
        ran.append(arguments[0])
    assert ran == ["versions", "models", "doctor", "run", "data", "schema", "run"]
    for command, said in (
        (("show",), "is live"),
        (("versions",), "mf_als"),
        (("recommend", "--user", "u1"), "User u1"),
        (("lineage",), "my-ratings.csv"),
    ):
        after = marquee(code, *command, "--out", out)
        assert after.status == 0, after.text
        assert said in after.text

"""All commands in ASCII and 40 columns, with a home that is not writable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import POOR_TERMINAL
from tests.support.logs import write_log
from tests.support.starter import run_arguments

ROOT = Path(__file__).parents[2]
NOBODY = 65534

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(1800)]
needs_root = pytest.mark.usefixtures("as_root")


@pytest.fixture(scope="module")
def marquee(tmp_path_factory):
    """Runs a command whose home belongs to another user; returns status and output."""
    folder = tmp_path_factory.mktemp("poor")
    home = folder / "home"
    home.mkdir(mode=0o555)
    os.chown(home, NOBODY, NOBODY)
    kept = ("MARQUEE_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    environment = {k: v for k, v in os.environ.items() if k not in kept}

    def run(*arguments):
        done = subprocess.run(
            [
                *("setpriv", "--bounding-set", "-dac_override,-dac_read_search"),
                *(sys.executable, "-m", "pipeline", *map(str, arguments)),
            ],
            cwd=folder,
            env={
                **environment,
                **POOR_TERMINAL,
                "HOME": str(home),
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            check=False,
        )
        assert list(home.iterdir()) == []
        # The output is a schema file, which is always in UTF-8.
        encoding = "utf-8" if arguments[0] == "schema" else "ascii"
        return done.returncode, (done.stdout + done.stderr).decode(encoding)

    return run


@needs_root
def test_every_command_prints_and_the_report_is_written(marquee, tmp_path):
    out, log = tmp_path / "out", tmp_path / "größe.csv"
    write_log(log)
    status, output = marquee(*run_arguments(log, out))
    assert status == 0, output
    assert "gr??e.csv" in output
    [run] = (out / "runs").iterdir()
    assert (run / "report.html").stat().st_size > 100_000
    assert "Set MARQUEE_CACHE_DIR to a folder" in (run / "run.log").read_text()
    batch = tmp_path / "lists.parquet"
    for expected, *arguments in (
        (0, "show", "--out", out),
        (0, "versions", "--out", out),
        (0, "recommend", "--user", "u1", "--why", "--out", out),
        (0, "batch", "--out", batch, "--runs", out),
        (0, "lineage", "--out", out),
        (0, "compare", run.name, run.name, "--out", out),
        (0, "report", "--out", out),
        (0, "clean", "--out", out),
        (0, "clean", "--keep-runs", 1, "--out", out),
        (0, "schedule", "--log", "--out", out),
        (0, "data", log),
        (0, "models"),
        (0, "schema", "propose", log),
        (1, "doctor", "--out", out),  # the cache folder is not writable
        (2, "rollback", "--out", out),
        (3, "retrain", "--data", "gibt—es—nicht", "--out", out),
        (3, "run", "--data", "sample", "--out", out),
    ):
        status, output = marquee(*arguments)
        assert status == expected, (arguments, output)
        assert output
        assert "Traceback" not in output
        if arguments[-3:-1] == ["sample", "--out"]:
            assert "MARQUEE_CACHE_DIR" in output

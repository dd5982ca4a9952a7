"""Real runs on a small log."""

import os
import shutil

import pytest

from tests.support.logs import write_log
from tests.support.starter import Starter, run_arguments


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """Starts commands one after the other, with TFX imported once."""
    starter = Starter(tmp_path_factory.mktemp("starter"))
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def as_root():
    """Fails without root: mounts, control groups and capabilities need it."""
    if os.geteuid() != 0:
        pytest.fail("only root may do this: sudo make test-reliability")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, starter):
    """Returns the log and folder of a run that went live; ``copy`` is beside it."""
    folder = tmp_path_factory.mktemp("finished")
    log, out = folder / "log.csv", folder / "out"
    write_log(log)
    ended = starter.run(*run_arguments(log, out))
    assert ended.status == 0, ended.text
    shutil.copytree(out, folder / "copy", symlinks=True)
    return log, out

"""An exception arrives as it was sent: class, message and attributes."""

import errno
import threading
from multiprocessing.reduction import ForkingPickler

import pytest

from components.anomaly_gate.anomalies import AnomaliesError, Anomaly
from pipeline.runs.portable_errors import StepError, portable


class KeywordsError(ValueError):
    """The constructor has other parameters than the message."""

    def __init__(self, *, path, line):
        super().__init__(f"{path}, line {line}: not a number")
        self.path, self.line = path, line


class PrefixError(ValueError):
    """The constructor adds to the message: called with it, it would add twice."""

    def __init__(self, text):
        super().__init__(f"bad input: {text}")


def arrived(error):
    return ForkingPickler.loads(ForkingPickler.dumps(portable(error)))


@pytest.mark.parametrize(
    "error",
    [
        AnomaliesError(
            [Anomaly("train", "user_country", "COLUMN_DROPPED", "Column dropped", "x")],
            "ratings.csv",
        ),
        KeywordsError(path="a.csv", line=3),
        PrefixError("a.csv"),
        FileNotFoundError(errno.ENOENT, "No such file", "a.csv"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        KeyError("a"),
        ValueError(),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_class_message_and_attributes_arrive(error):
    found = arrived(error)
    assert type(found) is type(error)
    assert (str(found), found.args) == (str(error), error.args)
    assert vars(found) == vars(error)


def test_an_exception_that_cannot_be_sent_arrives_as_text():
    class LocalError(ValueError):
        pass

    with_lock = ValueError("a lock")
    with_lock.lock = threading.Lock()
    assert str(arrived(with_lock)) == "ValueError: a lock"
    assert type(arrived(with_lock)) is StepError
    assert type(arrived(LocalError("here"))) is StepError
    assert "LocalError: here" in str(arrived(LocalError("here")))

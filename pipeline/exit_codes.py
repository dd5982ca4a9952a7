"""Exit statuses of the command, and their meanings."""

import signal

OK = 0
UNEXPECTED = 1
CONFIG = 2
BAD_INPUT = 3
ANOMALIES = 4
REFUSED = 5
FAILED = 6
BUSY = 7
# As in shells: the number of the signal that ended the command is added.
SIGNALLED = 128
INTERRUPTED = SIGNALLED + signal.SIGINT
TERMINATED = SIGNALLED + signal.SIGTERM
READER_GONE = SIGNALLED + signal.SIGPIPE  # standard output is closed

MEANINGS = {
    OK: "a model passed, or nothing changed",
    UNEXPECTED: "unexpected error",
    CONFIG: "bad configuration or command line",
    BAD_INPUT: "bad or missing input",
    ANOMALIES: "anomalies in the data",
    REFUSED: "every model was rejected",
    FAILED: "a step failed, or files could not be removed",
    BUSY: "another run is in progress in that folder",
}

# Advice for a full disk, used by every message about one.
MAKE_ROOM = "Make room and run again: finished steps are kept."

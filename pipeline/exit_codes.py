"""What the command ends with, and what that means."""

import signal

OK = 0
UNEXPECTED = 1
CONFIG = 2
BAD_INPUT = 3
ANOMALIES = 4
REFUSED = 5
FAILED = 6
BUSY = 7
# As shells have it: ended by a signal, of which the number is added.
SIGNALLED = 128
INTERRUPTED = SIGNALLED + signal.SIGINT
TERMINATED = SIGNALLED + signal.SIGTERM
READER_GONE = SIGNALLED + signal.SIGPIPE  # nobody reads standard output any more

MEANINGS = {
    OK: "something passed, or nothing changed",
    UNEXPECTED: "unexpected error",
    CONFIG: "bad configuration or command line",
    BAD_INPUT: "bad input, or none",
    ANOMALIES: "anomalies in the data",
    REFUSED: "every model refused",
    FAILED: "a step failed, or files could not be removed",
    BUSY: "another run is working in that folder",
}

# What to do where the disk is full, wherever that is told.
MAKE_ROOM = "Make room and run again: finished steps are kept."

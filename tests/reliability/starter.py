"""Runs `marquee` commands, one after the other, with TFX imported once.

The program reads lines of JSON: the arguments, and the path for the output. For each,
it prints the process ID, and the exit status when the process has ended. A command runs
in a fork of this process that leads a process group, so that all of it can be killed.
Importing TFX is most of the cost of a start; the rest is the same as in a normal start.
"""

import atexit
import json
import os
import sys
import traceback

import ml_metadata  # noqa: F401 - like those below, imported once for all forks

import pipeline.pipeline
import pipeline.runs.execute  # noqa: F401
from pipeline.cli import main


def run(arguments: list[str], output: str) -> int:
    """Runs the command in this process; returns its exit status."""
    os.setsid()
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(descriptor, number)
    try:
        main(arguments, prog_name="marquee")
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    return 1


print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        status = run(order["arguments"], order["output"])
        # os._exit skips these; autograph removes its temporary files in them.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(status)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

"""Starts `marquee` again and again, with TFX imported once.

A program of its own: a line of JSON in (the arguments, and where the output goes), the
process id out, and its exit status when it has ended. Each command runs in a fork of
this process and leads a process group of its own, so that all of it can be killed.
Importing TFX is most of what a start costs; all that comes after it is the real thing.
"""

import atexit
import json
import os
import sys
import traceback

import ml_metadata  # noqa: F401 - as all below: imported once, for every fork

import pipeline.pipeline
import pipeline.runs.execute  # noqa: F401
from pipeline.cli import main


def run(arguments: list[str], output: str) -> int:
    """The command, in this process."""
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
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        status = run(asked["arguments"], asked["output"])
        # What a process does at its end: autograph removes its temporary files.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(status)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

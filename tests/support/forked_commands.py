"""Runs `marquee` commands, one after the other, with TFX imported once.

The program reads lines of JSON: the arguments, the working folder, the environment, and
the path for the output. For each, it prints the process ID, and the exit status when
the process has ended. A command runs in a fork of this process that leads a process
group, so that all of it can be killed. The process that its workers are forked from is
a fork of this one, too. Two imports of TFX, half of the time of a small run, are saved;
the rest is the same as in a normal start, except that all processes hash strings alike.
"""

import atexit
import fcntl
import json
import multiprocessing.util
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

del sys.path[0]  # this folder, where modules have the names of packages

import ml_metadata  # noqa: E402, F401 - like those below, imported once for all forks

from pipeline import tfx_imports  # noqa: E402
from pipeline.cli import main  # noqa: E402

with tfx_imports.quick():  # as `marquee run` and pipeline.runs.worker_imports do
    import pipeline.pipeline
    import pipeline.runs.execute  # noqa: F401
    import pipeline.runs.local_runner  # noqa: F401
    import trainer_modules.run_fn  # noqa: F401

_UNUSED = 500  # file descriptors from here on are free
_LARGEST_REQUEST = 1 << 17  # bytes
_spawn = multiprocessing.util.spawnv_passfds


class ForkServer:
    """A fork made before the command begins, in place of a new interpreter.

    It waits until the command starts multiprocessing's fork server, and becomes it. A
    fork that is made then would have the command's threads, handlers and streams.
    """

    def __init__(self) -> None:
        self._requests, requests = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self._pid = os.fork()
        if self._pid == 0:
            self._requests.close()
            _in_fork(_serve_forks, requests)
        requests.close()

    def spawn(self, path: str, arguments: list[str], descriptors: Sequence[int]) -> int:
        """Stands in for ``multiprocessing.util.spawnv_passfds``."""
        code = arguments[-1]
        if isinstance(code, bytes) or "multiprocessing.forkserver" not in code:
            return _spawn(path, arguments, descriptors)
        passed = [0, 1, 2, *descriptors]
        request = {"code": code, "descriptors": passed, "environment": {**os.environ}}
        socket.send_fds(self._requests, [json.dumps(request).encode()], passed)
        return self._pid


def _serve_forks(requests: socket.socket) -> int:
    """Becomes the fork server, unless the command ends without any worker."""
    message, received, *_ = socket.recv_fds(requests, _LARGEST_REQUEST, 16)
    if not message:
        return 0
    request = json.loads(message)
    # The code names the descriptors by the command's numbers.
    copies = [fcntl.fcntl(number, fcntl.F_DUPFD, _UNUSED) for number in received]
    os.closerange(3, _UNUSED)
    for copy, wanted in zip(copies, request["descriptors"], strict=True):
        os.dup2(copy, wanted)
        os.close(copy)
    os.environ.clear()
    os.environ.update(request["environment"])
    exec(request["code"], {})
    return 0


def _run_command(order: dict[str, Any]) -> int:
    """Runs the command in this process; returns its exit status."""
    os.setsid()
    output = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    opened = os.open(os.devnull, os.O_RDONLY), os.open(order["output"], output)
    for number, descriptor in enumerate((*opened, opened[1])):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    tempfile.tempdir = None
    sys.argv = ["marquee", *order["arguments"]]
    multiprocessing.util.spawnv_passfds = ForkServer().spawn
    main(order["arguments"], prog_name="marquee")
    return 0


def _in_fork(function: Any, argument: Any) -> None:
    """Calls a function that returns an exit status, and ends this process."""
    status = 1
    try:
        status = function(argument)
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    # os._exit skips these; autograph removes its temporary files in them.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _in_fork(_run_command, json.loads(line))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

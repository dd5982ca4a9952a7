"""Calls a function in a process of its own: requests do not wait, and imports end.

This takes only a pipe and a process. An executor needs semaphores, and therefore
``/dev/shm``, which a container may not have.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def aside(
    function: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Returns what a function returns, and raises what it raises.

    Raises:
        RuntimeError: If the process ended without an answer.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_send, args=(theirs, function, args, kwargs), daemon=True
    )
    process.start()
    theirs.close()  # so that the pipe ends with the process
    with ours:
        try:
            result: _Result | Exception = ours.recv()
        except EOFError as error:
            process.join()
            message = (
                f"the process of {function.__name__} ended with exit status "
                f"{process.exitcode}"
            )
            raise RuntimeError(message) from error
    process.join()
    if isinstance(result, Exception):
        raise result
    return result


def _send(
    connection: Connection,
    function: Callable[..., _Result],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    try:
        connection.send(function(*args, **kwargs))
    except Exception as error:  # the caller reports it
        connection.send(error)

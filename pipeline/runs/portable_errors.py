"""Makes the exceptions of steps fit to be sent from one process to another."""

import traceback
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler


class StepError(RuntimeError):
    """An exception of a step that cannot be sent to another process as it is."""


def portable(error: BaseException) -> BaseException:
    """Returns an exception that arrives as it was sent: itself, if possible.

    ``pickle`` calls the constructor with ``error.args``, which fails, or changes the
    message, if the constructor has other parameters than the message. Such an exception
    is made anew without its constructor.
    """
    if _arrives(error):
        return error
    ForkingPickler.register(type(error), _reduced)
    if _arrives(error):
        return error
    return StepError("".join(traceback.format_exception_only(error)).strip())


def _arrives(error: BaseException) -> bool:
    try:
        found = ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return False
    return (type(found), str(found)) == (type(error), str(error))


def _reduced(
    error: BaseException,
) -> tuple[Callable[..., BaseException], tuple[object, ...]]:
    return _made_anew, (type(error), error.args, error.__dict__)


def _made_anew(
    kind: type[BaseException], args: tuple[object, ...], attributes: dict[str, object]
) -> BaseException:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error

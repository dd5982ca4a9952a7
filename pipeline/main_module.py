"""The module that the program was started with, in the eyes of ``multiprocessing``."""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Keeps workers from importing the module that the program was started with.

    ``multiprocessing`` would make each of them do so. They do not need it, and a script
    that runs a pipeline at its top level would run it again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

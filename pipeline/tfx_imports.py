"""Imports TFX in less than half of the time that ``from tfx import v1`` takes.

It also makes TFX's steps repeatable: see ``_fix_batch_sizes``.
"""

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

from absl import flags

# Components for Vertex AI and BigQuery, whose clients are a quarter of all imports.
_EXTENSIONS = "tfx.v1.extensions"
# Compiles a grammar of IRIs for jsonschema, which does not need it.
_GRAMMAR = "rfc3987_syntax"


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Makes imports of TFX leave out what is unused here, and pauses the collector.

    The imported objects stay for good: the collector need not walk them over and over,
    neither now nor while Beam makes millions of small objects.
    """
    substitutes = {_EXTENSIONS: _imported_when_used(_EXTENSIONS), _GRAMMAR: None}
    missing = {name: substitutes[name] for name in substitutes.keys() - sys.modules}
    sys.modules.update(missing)  # type: ignore[arg-type]  # None makes an import fail
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        for name in missing:
            del sys.modules[name]
    gc.freeze()
    _fix_batch_sizes()


def _fix_batch_sizes() -> None:
    """Makes the batches of Transform, StatisticsGen and Evaluator as large in each run.

    By default, Beam chooses their sizes by the clock, and means over all users then
    differ between runs in the tenth digit. With this flag of tfx_bsl, a batch has 20
    MiB of examples, and at most 8,192 of them.
    """
    if batches := sys.modules.get("tfx_bsl.coders.batch_util"):
        flags.set_default(batches._USE_BYTE_SIZE_BATCHING, True)


def _imported_when_used(package: str) -> ModuleType:
    """Returns a substitute for a package, which imports its modules at their use."""
    substitute = ModuleType(package)
    substitute.__getattr__ = lambda name: importlib.import_module(f"{package}.{name}")  # type: ignore[method-assign]  # PEP 562
    return substitute

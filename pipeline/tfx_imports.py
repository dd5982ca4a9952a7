"""Imports TFX without what the importing process does not need.

It also makes TFX's steps repeatable: see ``_fix_batch_sizes``.
"""

import contextlib
import gc
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType

from absl import flags

from components import beam_methods
from components.tensorflow_parts import imported_alone

# Components for Vertex AI and BigQuery, whose clients are a quarter of all imports.
_EXTENSIONS = "tfx.v1.extensions"
# Compiles a grammar of IRIs for jsonschema, which does not need it.
_GRAMMAR = "rfc3987_syntax"
# Executors and runners, all of them.
_COMPONENTS, _RUNNERS = "tfx.v1.components", "tfx.v1.orchestration"
# Executors elsewhere and labels for Google's cloud: the launcher names their classes.
_ELSEWHERE = (
    "googleapiclient.http",
    "tfx.orchestration.portable.docker_executor_operator",
    "tfx.orchestration.portable.kubernetes_executor_operator",
)
# Drivers use modules of these packages, mostly generated ones.
_TOPS = (
    "tensorflow",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "tfx.components",
)


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Makes imports of TFX leave out what is unused here, and pauses the collector.

    The imported objects stay for good: the collector need not walk them over and over,
    neither now nor while Beam makes millions of small objects.
    """
    substitutes = {_EXTENSIONS: _imported_when_used(_EXTENSIONS), _GRAMMAR: None}
    gc.disable()
    try:
        with _substituted(substitutes):
            yield
    finally:
        gc.enable()
    gc.freeze()
    _fix_batch_sizes()
    if core := sys.modules.get("apache_beam.transforms.core"):
        beam_methods.inspect_once(core)


def _fix_batch_sizes() -> None:
    """Makes the batches of Transform, StatisticsGen and Evaluator as large in each run.

    By default, Beam chooses their sizes by the clock, and means over all users then
    differ between runs in the tenth digit. With this flag of tfx_bsl, a batch has 20
    MiB of examples, and at most 8,192 of them.
    """
    if batches := sys.modules.get("tfx_bsl.coders.batch_util"):
        flags.set_default(batches._USE_BYTE_SIZE_BATCHING, True)


@contextlib.contextmanager
def without_executors() -> Iterator[None]:
    """Lets TFX decide about a step, without TensorFlow, Beam and executors.

    Launcher, drivers and resolvers work inside the block, for local files: TFX supports
    an installation without TensorFlow and Beam, and is imported as if in one. After the
    block, everything can be imported.
    """
    with _substituted({"tensorflow": None, "apache_beam": None}):
        importlib.import_module("tfx.dsl.io.fileio")
        importlib.import_module("pipeline.local_files")
        importlib.import_module("tfx.utils.doc_controls")
    classes = {name: _with_any_class(name) for name in _ELSEWHERE}
    with _substituted({"apache_beam": None, **classes}), imported_alone(*_TOPS):
        yield


@contextlib.contextmanager
def one_executor(uses_beam: bool) -> Iterator[None]:
    """Makes the import of an executor leave out the other components.

    Args:
        uses_beam: Whether the executor runs a pipeline of Beam.
    """
    lazy = {name: _imported_when_used(name) for name in (_COMPONENTS, _RUNNERS)}
    with quick(), _substituted(lazy), imported_alone("tfx.components"):
        if uses_beam:
            name = "tfx.dsl.components.base.base_beam_executor"
            base = importlib.import_module(name)
            if base.beam is None:  # imported without Beam, it cannot make a pipeline
                importlib.reload(base)
        yield


@contextlib.contextmanager
def _substituted(substitutes: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Lets imports in the block find substitutes for modules not imported before.

    A module whose substitute is None cannot be imported.
    """
    missing = {name: substitutes[name] for name in substitutes.keys() - sys.modules}
    sys.modules.update(missing)  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name, substitute in missing.items():
            if sys.modules.get(name) is substitute:
                del sys.modules[name]


def _imported_when_used(package: str) -> ModuleType:
    """Returns a substitute for a package, which imports the package at its use."""

    def attribute(name: str) -> object:
        if sys.modules.get(package) is substitute:
            del sys.modules[package]
        return getattr(importlib.import_module(package), name)

    substitute = _module(package, attribute)
    return substitute


def _with_any_class(name: str) -> ModuleType:
    """Returns a substitute for a module whose classes are named, and not used."""
    return _module(name, lambda _: object)


def _module(name: str, attribute: Callable[[str], object]) -> ModuleType:
    """Returns a module whose attributes a function returns (PEP 562)."""

    def public(attribute_name: str) -> object:
        if attribute_name.startswith("__"):  # of the import system
            raise AttributeError(attribute_name)
        return attribute(attribute_name)

    module = ModuleType(name)
    module.__getattr__ = public  # type: ignore[method-assign]
    return module

"""Entry point of a step's container, which extends TFX's own.

``python -m kubeflow.entrypoint`` runs in the image's working directory, the copy of the
repository, with the arguments of ``kubeflow/tasks.py``: ``--run_id``, those of
``tfx.orchestration.kubeflow.container_entrypoint``, and ``--requires`` with the steps
that must have succeeded, if the platform starts a step without checking that.
``python -m kubeflow.entrypoint --sources`` prints the hash of the image's sources.
"""

import argparse
import base64
import contextlib
import json
import os
import resource
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from typing import Any, ClassVar

from kubeflow import attempts, verdict

SOURCES = "MARQUEE_SOURCES"
_RUN_ID = "WORKFLOW_ID"  # read by TFX's entry point
_PACKED = "zlib:"


def packed(text: str) -> str:
    """Returns the text in a fifth of its size, because Kubernetes limits the size."""
    data = zlib.compress(text.encode(), level=9)
    return _PACKED + base64.b64encode(data).decode()


def unpacked(text: str) -> str:
    """Returns the original of a packed text, and any other text unchanged."""
    if not text.startswith(_PACKED):
        return text
    return zlib.decompress(base64.b64decode(text.removeprefix(_PACKED))).decode()


def main(arguments: list[str]) -> int:
    """Runs one step; returns the exit status of its pod."""
    from components import durable_files
    from pipeline import tfx_imports
    from pipeline.runs.code_version import version_of_all

    durable_files.forbid_world_writable()
    compiled_from, in_image = os.environ.get(SOURCES), version_of_all()
    if arguments == ["--sources"]:
        print(in_image)
        return 0
    if compiled_from != in_image:
        # Cache keys contain the hash, so the cache would return wrong outputs.
        print(
            f"The pipeline was compiled from sources {compiled_from}, and this image "
            f"holds {in_image}. Only a step can check this, because the image cannot "
            "be inspected when a run is submitted. Compile the pipeline again from the "
            "tree that the image was built from, or build the image again.",
            file=sys.stderr,
        )
        return attempts.HOPELESS
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--run_id", required=True)
    parser.add_argument("--requires", type=json.loads)
    known, others = parser.parse_known_args(arguments)
    if known.requires and (cause := _missing(known.requires, known.run_id, others)):
        print(f"This step was not run, because {cause} did not succeed in this run.")
        return 0  # no attempt could help; the task verdict fails the run
    os.environ[_RUN_ID] = known.run_id
    for_tfx = [unpacked(argument) for argument in others]
    with contextlib.ExitStack() as imports:
        # Only TensorFlow opens files of object stores.
        if not any("://" in argument for argument in for_tfx):
            imports.enter_context(tfx_imports.without_executors())
        elif any("s3://" in argument for argument in for_tfx):
            import tensorflow_io  # noqa: F401 - adds s3:// to TensorFlow

        with tfx_imports.quick():
            from tfx.orchestration.kubeflow import container_entrypoint

            from pipeline.runs import store_lookups

            container_entrypoint.launcher.Launcher = _launcher(imports.close)
        with store_lookups.bounded():
            container_entrypoint.main(for_tfx)
    return 0


def _missing(
    requirement: verdict.Requirement, run_id: str, for_tfx: list[str]
) -> str | None:
    """Returns the step whose failure keeps this one from running; None if none does."""
    config = for_tfx[for_tfx.index("--kubeflow_metadata_config") + 1]
    return verdict.missing(requirement, verdict.succeeded(config, run_id))


def _launcher(allow_executors: Callable[[], None]) -> type:
    """Returns the class that launches the step.

    Args:
        allow_executors: Called before the executor is imported, if the step needs it.
    """
    from tfx.orchestration.portable import base_executor_operator, launcher
    from tfx.proto.orchestration import executable_spec_pb2

    from pipeline import tfx_imports
    from pipeline.runs.step_state import state_of

    beam = executable_spec_pb2.BeamExecutableSpec
    kinds = [executable_spec_pb2.PythonClassExecutableSpec, beam]

    class Operator(base_executor_operator.BaseExecutorOperator):
        """Imports the executor if it runs; TFX's own do for every step."""

        SUPPORTED_EXECUTOR_SPEC_TYPE = kinds
        SUPPORTED_PLATFORM_CONFIG_TYPE: ClassVar[list[type]] = []

        def run_executor(self, execution_info: Any) -> Any:
            allow_executors()
            kind = type(self._executor_spec)
            with tfx_imports.one_executor(uses_beam=kind is beam):
                operator = launcher.DEFAULT_EXECUTOR_OPERATORS[kind](
                    self._executor_spec, self._platform_config
                )
            return operator.run_executor(execution_info)

    class Launcher(launcher.Launcher):
        """Fails if the step failed, which TFX's own launcher only records."""

        def __init__(self, **given: Any):
            operators = given.pop("custom_executor_operators", {})
            operators |= dict.fromkeys(kinds, Operator)
            super().__init__(custom_executor_operators=operators, **given)

        def launch(self) -> Any:
            execution = super().launch()
            state = state_of(self._mlmd_connection, execution)
            print(f"Step {execution.pipeline_node.node_info.id}: {state}")
            return execution

    return Launcher


def measured(seconds: float) -> str:
    """Returns the time and the peak memory of the step, with its child processes."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in whose)
    return f"{seconds:.1f} s, at most {peak / 1024:.0f} MiB"  # Linux reports KiB


if __name__ == "__main__":
    started = time.monotonic()
    try:
        status = main(sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        status = 1
    print(measured(time.monotonic() - started))
    sys.stdout.flush()
    sys.stderr.flush()
    # At the end of the interpreter, tensorflow-io aborts ("pure virtual method
    # called"). The step's outputs are recorded by then.
    os._exit(status)

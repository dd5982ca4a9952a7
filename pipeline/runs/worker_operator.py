"""Where the executors of a run's steps run: in this process, or in workers."""

import contextlib
import copy
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import message
from tfx.orchestration.portable import (
    base_executor_operator,
    beam_executor_operator,
    data_types,
)
from tfx.orchestration.python_execution_binary import python_execution_binary_utils
from tfx.proto.orchestration import (
    executable_spec_pb2,
    execution_result_pb2,
    placeholder_pb2,
)

from pipeline.beam import forked_workers
from pipeline.beam.options import process_flags
from pipeline.runs import step_log, step_memory
from pipeline.runs.worker_process import Call
from pipeline.runs.workers import Workers

_SPECS = (
    executable_spec_pb2.PythonClassExecutableSpec,
    executable_spec_pb2.BeamExecutableSpec,
)


@dataclass(frozen=True)
class Place:
    """Where launchers and executors run.

    Attributes:
        launchers: Runs launchers, each until its step has ended.
        log_of: Marks the log messages of this thread as a step's; takes its name.
        operators: The executor operators for TFX's Launcher, by kind of executor;
            without one, TFX's own runs the executor where the launcher runs.
        peak_memory_of: Returns the peak memory of the process that ran a step, in
            bytes; None if it is not known. Takes the step's name.
        metadata_lock: Held by a launcher except while its executor runs in a worker.
            Drivers, resolvers, publishers and ML Metadata see one launcher at a time.
    """

    launchers: Executor
    log_of: Callable[[str], contextlib.AbstractContextManager[None]]
    peak_memory_of: Callable[[str], int | None]
    operators: Mapping[type, Callable[..., Any]] = field(default_factory=dict)
    metadata_lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def place_for(jobs: int, beam_processes: int = 1) -> Iterator[Place]:
    """Yields where to run a number of steps at once; with 1, in this very thread.

    Args:
        jobs: The number of steps.
        beam_processes: Number of processes of a step over all ratings. Evaluators share
            them, since other models' steps run beside them.
    """
    if jobs == 1:
        forked_workers.register()
        beam = functools.partial(_beam_operator, beam_processes)
        operators = {executable_spec_pb2.BeamExecutableSpec: beam}
        yield Place(
            _ThisThread(),
            lambda step: contextlib.nullcontext(),
            lambda step: step_memory.peak(),
            operators,
        )
        return
    with (
        ThreadPoolExecutor(jobs, thread_name_prefix="launcher") as launchers,
        Workers() as workers,
    ):
        lock = threading.Lock()
        operator = functools.partial(
            _WorkerOperator, workers, lock, jobs, beam_processes
        )
        yield Place(
            launchers,
            step_log.named,
            workers.peak_memory.get,
            dict.fromkeys(_SPECS, operator),
            lock,
        )


def _beam_operator(
    processes: int, spec: message.Message, platform_config: message.Message
) -> beam_executor_operator.BeamExecutorOperator:
    """Returns TFX's operator for a step in this process."""
    return beam_executor_operator.BeamExecutorOperator(
        _in_processes(spec, processes), platform_config
    )


def _in_processes(spec: message.Message, processes: int) -> message.Message:
    """Returns a step's specification with the flags of Beam's processes.

    They come first: flags that a person set override them. They are added only here,
    since a specification is part of a step's cache key, and results do not depend on
    the number of processes.
    """
    flags = process_flags(processes)
    if not flags or not isinstance(spec, executable_spec_pb2.BeamExecutableSpec):
        return spec
    changed = copy.deepcopy(spec)
    own = list(changed.beam_pipeline_args_placeholders)
    del changed.beam_pipeline_args_placeholders[:]
    for flag in flags:
        value = placeholder_pb2.PlaceholderExpression()
        value.value.string_value = flag
        changed.beam_pipeline_args_placeholders.append(value)
    changed.beam_pipeline_args_placeholders.extend(own)
    return changed


class _ThisThread(Executor):
    """Runs each function at once, and returns when it has ended."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a function; it must not raise."""
        step_memory.count_from_now()
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _WorkerOperator(base_executor_operator.BaseExecutorOperator):
    """Runs an executor in a worker, and lets other launchers work meanwhile."""

    SUPPORTED_EXECUTOR_SPEC_TYPE = list(_SPECS)
    SUPPORTED_PLATFORM_CONFIG_TYPE: list[type] = []

    def __init__(
        self,
        workers: Workers,
        metadata_lock: threading.Lock,
        jobs: int,
        beam_processes: int,
        executor_spec: message.Message,
        platform_config: message.Message | None = None,
    ):
        super().__init__(executor_spec, platform_config)
        self._jobs, self._beam_processes = jobs, beam_processes
        self._workers, self._metadata_lock = workers, metadata_lock

    def run_executor(
        self, execution_info: data_types.ExecutionInfo
    ) -> execution_result_pb2.ExecutorOutput:
        """Returns the output of the executor; raises what it raised."""
        node = execution_info.pipeline_node.node_info
        processes = self._beam_processes
        if node.type.name.endswith("Evaluator"):
            processes = max(1, processes // self._jobs)
        spec = _in_processes(self._executor_spec, processes)
        call = Call(
            python_execution_binary_utils.serialize_execution_info(execution_info),
            python_execution_binary_utils.serialize_executable_spec(spec),
            isinstance(spec, executable_spec_pb2.BeamExecutableSpec),
        )
        self._metadata_lock.release()
        try:
            output = self._workers.run(node.id, call)
        finally:
            self._metadata_lock.acquire()
        return execution_result_pb2.ExecutorOutput.FromString(output)

"""Where the executors of a run's steps run: in this process, or in workers."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import message
from tfx.orchestration.portable import base_executor_operator, data_types
from tfx.orchestration.python_execution_binary import python_execution_binary_utils
from tfx.proto.orchestration import executable_spec_pb2, execution_result_pb2

from pipeline.runs import step_log
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
        metadata_lock: Held by a launcher except while its executor runs in a worker.
            Drivers, resolvers, publishers and ML Metadata see one launcher at a time.
    """

    launchers: Executor
    log_of: Callable[[str], contextlib.AbstractContextManager[None]]
    operators: Mapping[type, Callable[..., Any]] = field(default_factory=dict)
    metadata_lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def place_for(jobs: int) -> Iterator[Place]:
    """Yields where to run a number of steps at once; with 1, in this very thread."""
    if jobs == 1:
        yield Place(_ThisThread(), lambda step: contextlib.nullcontext())
        return
    with (
        ThreadPoolExecutor(jobs, thread_name_prefix="launcher") as launchers,
        Workers() as workers,
    ):
        lock = threading.Lock()
        operator = functools.partial(_WorkerOperator, workers, lock)
        yield Place(launchers, step_log.named, dict.fromkeys(_SPECS, operator), lock)


class _ThisThread(Executor):
    """Runs each function at once, and returns when it has ended."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a function; it must not raise."""
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
        executor_spec: message.Message,
        platform_config: message.Message | None = None,
    ):
        super().__init__(executor_spec, platform_config)
        self._workers, self._metadata_lock = workers, metadata_lock

    def run_executor(
        self, execution_info: data_types.ExecutionInfo
    ) -> execution_result_pb2.ExecutorOutput:
        """Returns the output of the executor; raises what it raised."""
        spec = self._executor_spec
        call = Call(
            python_execution_binary_utils.serialize_execution_info(execution_info),
            python_execution_binary_utils.serialize_executable_spec(spec),
            isinstance(spec, executable_spec_pb2.BeamExecutableSpec),
        )
        self._metadata_lock.release()
        try:
            output = self._workers.run(execution_info.pipeline_node.node_info.id, call)
        finally:
            self._metadata_lock.acquire()
        return execution_result_pb2.ExecutorOutput.FromString(output)

"""Runs a TFX pipeline on this machine, each step as soon as its inputs are ready.

TFX's own ``LocalDagRunner`` stops at the first failure, so one broken model would
keep every later model from being trained. Here a failed step takes only those steps
with it that need its outputs; the others continue.

A step is skipped when something it needs is missing because of a failure:

* the producer of an input, required or optional: an Evaluator must not lose its
  baseline, nor a Pusher its blessing, because another step failed;
* a step that it must wait for (``add_upstream_node``);
* every producer of a ``tfx.types.channel.union([...])``. A union with some producers
  left is resolved to their artifacts only: the champion is chosen among the models
  that there are.
"""

import functools
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from tfx import v1 as tfx
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline.runs import (
    output_checksums,
    relative_cache_keys,
    stopping,
    store_lookups,
)
from pipeline.runs.step_result import State, StepResult
from pipeline.runs.step_state import state_of
from pipeline.runs.worker_operator import Place, place_for

_WITHOUT_OUTPUTS = ("failed", "skipped")


def run_locally(
    pipeline: tfx.dsl.Pipeline,
    run_id: str,
    on_start: Callable[[str], None],
    on_end: Callable[[StepResult], None],
    jobs: int = 1,
    beam_processes: int = 1,
) -> list[StepResult]:
    """Runs every step that can run, in topological order.

    Args:
        pipeline: The pipeline, with any metadata connection that ML Metadata supports.
        run_id: Name of the run in ML Metadata; unique for every run.
        on_start: Called with a step's name before it runs; not for skipped steps.
        on_end: Called once for each step.
        jobs: Number of steps that may run at once. If 1, each runs in this process,
            otherwise in a worker; their results are the same.
        beam_processes: Number of processes of a step over all ratings.

    Returns:
        One result per step, in topological order.

    Raises:
        KeyboardInterrupt: If the run is interrupted, as with any exception that is not
            an ``Exception``. ``on_end`` was called with the failed step before.
    """
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    nodes = [entry.pipeline_node for entry in ir.nodes]
    out = Path(pipeline.pipeline_info.pipeline_root).parent
    with (
        store_lookups.bounded(),
        output_checksums.respected(),
        relative_cache_keys.relative_to(out),
        place_for(jobs, beam_processes) as place,
    ):
        launch = functools.partial(_run_step, ir=ir, place=place)
        results = _run_all(nodes, launch, place, jobs, on_start, on_end)
    return [results[node.node_info.id] for node in nodes]


def _run_all(
    nodes: Sequence[pipeline_pb2.PipelineNode],
    launch: Callable[[pipeline_pb2.PipelineNode], StepResult],
    place: Place,
    jobs: int,
    on_start: Callable[[str], None],
    on_end: Callable[[StepResult], None],
) -> dict[str, StepResult]:
    """Runs the steps, each as soon as those before it that it needs have ended."""
    waiting = {node.node_info.id: node for node in nodes}
    before = needs_before(nodes)
    running: dict[Future[StepResult], str] = {}
    results: dict[str, StepResult] = {}

    def end(result: StepResult) -> None:
        results[result.name] = result
        on_end(result)

    try:
        while waiting or running:
            for name in [name for name in waiting if before[name] <= results.keys()]:
                lost = [r.name for r in results.values() if r.state in _WITHOUT_OUTPUTS]
                if not _can_run(waiting[name], lost):
                    end(StepResult(name, "skipped", 0.0))
                elif len(running) < jobs:
                    on_start(name)
                    running[place.launchers.submit(launch, waiting[name])] = name
                else:
                    break
                del waiting[name]
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                del running[future]
                end(result)
                _raise_interrupt(result.error)
    except BaseException as stop:
        for name in running.values():
            on_end(StepResult(name, "failed", 0.0, stop))
        raise
    return results


def needs_before(nodes: Sequence[pipeline_pb2.PipelineNode]) -> dict[str, set[str]]:
    """Returns the steps that each one waits for: those that it reads and that precede.

    A resolver may read what a later step made in an earlier run.
    """
    before: dict[str, set[str]] = {}
    for node in nodes:
        needed, unions = needs(node)
        before[node.node_info.id] = needed.union(*unions) & before.keys()
    return before


def _run_step(
    node: pipeline_pb2.PipelineNode, ir: pipeline_pb2.Pipeline, place: Place
) -> StepResult:
    """Runs one step, and returns how it ended, whatever it raised."""
    name, started = node.node_info.id, time.monotonic()
    state: State = "failed"
    error: BaseException | None = None
    try:
        with place.metadata_lock, place.log_of(name):
            state = _launch(node, ir, place)
    except BaseException as raised:
        error = raised
    seconds = time.monotonic() - started
    peak = None if state == "cached" else place.peak_memory_of(name)
    return StepResult(name, state, seconds, error, peak)


def _launch(
    node: pipeline_pb2.PipelineNode, ir: pipeline_pb2.Pipeline, place: Place
) -> State:
    """Runs one step; returns how it ended."""
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection = deployment.metadata_connection_config
    store = metadata.Metadata(
        getattr(connection, connection.WhichOneof("connection_config"))
    )
    name = node.node_info.id
    execution = launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=store,
        pipeline_info=ir.pipeline_info,
        pipeline_runtime_spec=ir.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, name),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        custom_executor_operators=dict(place.operators),
    ).launch()
    state = state_of(store, execution)
    if state == "done":
        output_checksums.seal(store, execution.execution_id)
    return state


def _raise_interrupt(error: BaseException | None) -> None:
    """Raises the interrupt of a step, if it was interrupted."""
    if error is None:
        return
    if not isinstance(error, Exception):
        raise error
    if interrupt := stopping.interrupt_behind(error):
        raise interrupt from None


def _can_run(node: pipeline_pb2.PipelineNode, lost: Collection[str]) -> bool:
    """Returns whether a step's inputs exist; ``lost`` are steps without outputs."""
    needed, unions = needs(node)
    return needed.isdisjoint(lost) and all(union - set(lost) for union in unions)


def needs(node: pipeline_pb2.PipelineNode) -> tuple[set[str], list[set[str]]]:
    """Returns the steps that must have succeeded, and groups of which one must have."""
    inputs = node.inputs.inputs
    unions = [
        list(spec.mixed_inputs.input_keys)
        for spec in inputs.values()
        if spec.mixed_inputs.input_keys
    ]
    # The compiler adds a hidden input per channel of a union. One that the step also
    # reads on its own is not hidden, and is needed.
    parts = {key for union in unions for key in union if inputs[key].hidden}
    producers = {
        key: {channel.producer_node_query.id for channel in spec.channels}
        for key, spec in inputs.items()
    }
    in_unions = {name for key in parts for name in producers[key]}
    on_their_own = {
        name for key in inputs if key not in parts for name in producers[key]
    }
    needed = (set(node.upstream_nodes) - in_unions) | on_their_own
    return needed, [
        {name for key in union for name in producers[key]} for union in unions
    ]

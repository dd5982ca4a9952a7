"""How a step ended, according to ML Metadata, without importing executors."""

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.utils import name_utils

from pipeline.runs import store_lookups
from pipeline.runs.step_result import State

_RESOLVER = name_utils.get_full_name(Resolver)


class StepFailedError(RuntimeError):
    """A step that TFX recorded as failed without raising (unresolvable inputs)."""


def state_of(store: metadata.Metadata, execution: data_types.ExecutionInfo) -> State:
    """Returns how a step ended, according to ML Metadata, if its launcher returned.

    Raises:
        StepFailedError: If the step failed. The launcher records inputs that it cannot
            resolve, and returns as if it had succeeded.
    """
    if execution.execution_id is None:
        return "skipped"  # inside a condition (``tfx.dsl.Cond``) that was false
    with store as handle:
        [recorded] = handle.store.get_executions_by_id([execution.execution_id])
    if recorded.last_known_state == metadata_store_pb2.Execution.CACHED:
        return "cached"
    if recorded.last_known_state != metadata_store_pb2.Execution.COMPLETE:
        result = execution_lib.get_execution_result(recorded)
        raise StepFailedError(
            result.result_message.strip().splitlines()[-1]
            if result and result.result_message
            else "the step did not finish, and ML Metadata has no reason for it"
        )
    if execution.pipeline_node.node_info.type.name == _RESOLVER:
        return "cached" if _found_the_same(store, recorded.id) else "done"
    return "done"


def _found_the_same(store: metadata.Metadata, execution_id: int) -> bool:
    """Returns whether a resolver returned the same as the last time that it ran."""
    with store as handle:
        [node] = [
            context
            for context in handle.store.get_contexts_by_execution(execution_id)
            if context.type == constants.NODE_CONTEXT_TYPE_NAME
        ]
        earlier = store_lookups.last_success(handle.store, node.id, execution_id)
        if earlier is None:
            return False
        found: dict[int, set[int]] = {earlier.id: set(), execution_id: set()}
        for event in handle.store.get_events_by_execution_ids(list(found)):
            if event.type == metadata_store_pb2.Event.INTERNAL_OUTPUT:
                found[event.execution_id].add(event.artifact_id)
    return found[earlier.id] == found[execution_id]

"""Looks up executions for TFX at a cost that does not grow with the number of runs.

To find a single execution, TFX 1.15 reads every execution that a step, or a cache key,
ever had: after 1,000 cached runs, that is most of a cached run's time. Here, ML
Metadata's own filter makes the same queries, and reads only the result.
"""

import contextlib
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_metadata import ListOptions, MetadataStore, OrderByField
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.artifact_place import place_of
from components.executions import MADE, SUCCEEDED, newest, successes

if TYPE_CHECKING:  # lineage uses this without TFX, which takes seconds
    from tfx.orchestration import metadata

_RUN, _PIPELINE = "pipeline_run", "pipeline"


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Replaces two of TFX's functions, as TFX has no other hook for this."""
    from tfx.orchestration.portable import cache_utils
    from tfx.orchestration.portable.input_resolution import channel_resolver

    executions = channel_resolver._get_executions_by_all_contexts
    cached_outputs = cache_utils.get_cached_outputs
    channel_resolver._get_executions_by_all_contexts = _executions
    cache_utils.get_cached_outputs = _cached_outputs
    try:
        yield
    finally:
        channel_resolver._get_executions_by_all_contexts = executions
        cache_utils.get_cached_outputs = cached_outputs


def users(store: MetadataStore, artifact: int) -> list[mlmd.Execution]:
    """Returns the executions that read an artifact and made outputs from it."""
    return _made(store, artifact, "INPUT")


def makers(store: MetadataStore, artifact: int) -> list[mlmd.Execution]:
    """Returns the executions that made an artifact: one, or none."""
    return _made(store, artifact, "OUTPUT")


def places_made_from(store: MetadataStore, artifact: int) -> set[str]:
    """Returns the places of all artifacts that were ever made from an artifact."""
    made_from = {execution.id for execution in users(store, artifact)}
    made = {
        event.artifact_id
        for event in store.get_events_by_execution_ids(made_from)
        if event.type == mlmd.Event.OUTPUT
    }
    return {place_of(artifact.uri) for artifact in store.get_artifacts_by_id(made)}


def tuned_settings(store: MetadataStore) -> dict[str, dict[int, str]]:
    """Returns the settings that Tuners found: by the model's name, ID → folder."""
    found: dict[str, dict[int, str]] = {}
    if "HyperParameters" in [kind.name for kind in store.get_artifact_types()]:
        for artifact in store.get_artifacts_by_type("HyperParameters"):
            model = Path(artifact.uri).parts[-3].removeprefix("Tuner_")
            found.setdefault(model, {})[artifact.id] = artifact.uri
    return found


def newest_tuned(store: MetadataStore, artifacts: Container[int]) -> int | None:
    """Returns the artifact that the newest Tuner returned, made or from the cache.

    Args:
        store: The metadata store.
        artifacts: IDs of the artifacts in question: the settings of one model.
    """
    for execution in successes(store, "Tuner"):
        for event in store.get_events_by_execution_ids([execution.id]):
            if event.type == mlmd.Event.OUTPUT and event.artifact_id in artifacts:
                return int(event.artifact_id)
    return None


def last_success(
    store: MetadataStore, context: int, before: int
) -> mlmd.Execution | None:
    """Returns the newest execution of a context that is older than another."""
    options = newest(1, f"id < {before} AND {SUCCEEDED}")
    return next(iter(store.get_executions_by_context(context, options)), None)


def _made(store: MetadataStore, artifact: int, event: str) -> list[mlmd.Execution]:
    query = f"events_0.artifact_id = {artifact} AND events_0.type = {event} AND {MADE}"
    return list(store.get_executions(ListOptions(filter_query=query)))


def _executions(
    store: MetadataStore, contexts: Sequence[mlmd.Context]
) -> list[mlmd.Execution]:
    """Returns the executions that all contexts share; among all runs, only the makers.

    A cached execution returns the outputs of another, so that the makers have all of
    them. The pipeline's context is ignored next to one of its steps or runs, which it
    does not narrow down further.
    """
    wanted = [c for c in contexts if c.type != _PIPELINE] or contexts
    if not wanted:
        return []
    first, *others = sorted(wanted, key=lambda context: context.type != _RUN)
    conditions = [f"contexts_{i}.id = {c.id}" for i, c in enumerate(others)]
    if first.type != _RUN:
        conditions.append(MADE)
    query = ListOptions(filter_query=" AND ".join(conditions)) if conditions else None
    return list(store.get_executions_by_context(first.id, query))


def _cached_outputs(
    metadata_handle: "metadata.Metadata", cache_context: mlmd.Context
) -> dict[str, list[Any]] | None:
    """Returns the newest outputs of a cache key that still exist."""
    from tfx.orchestration.portable import cache_utils

    options = ListOptions(order_by=OrderByField.ID, is_asc=False, filter_query=MADE)
    for maker in metadata_handle.store.get_executions_by_context(
        cache_context.id, options
    ):
        outputs: dict[str, list[Any]] | None = cache_utils._get_outputs_of_execution(
            metadata_handle, maker.id
        )
        if outputs is not None:
            with contextlib.suppress(RuntimeError):  # damaged or gone: the next
                cache_utils.artifact_utils.verify_artifacts(outputs)
                return outputs
    return None

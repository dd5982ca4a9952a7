"""Finds how an earlier run on a cluster read the same folder of spans.

``marquee retrain`` keeps this in ``spans.json`` in its output folder. Pods share only
the metadata store and the artifacts: the store lists the Examples that were made from
the same folder in a run that reached a verdict, and their ``counts.json`` records how
the ratings were read. A run that stopped earlier (an anomaly, drift) does not count: it
may have stopped because its spans were read wrongly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.metadata import Metadata

from components.executions import successes
from components.ratings_example_gen import files
from components.ratings_example_gen.counts import COUNTS_FILE
from components.ratings_example_gen.recognise.reading import Reading

_INPUT_BASE = "input_base"
_READER = ".RatingsExampleGen"  # how the type of its executions ends


@dataclass(frozen=True)
class _Recorded:
    """The part of ``counts.json``, of this or an earlier release, that is needed."""

    reading: Reading | None = None


def recorded_reading(connection: Metadata, base: str) -> Reading | None:
    """Returns how the newest run with a verdict read its ratings.

    Args:
        connection: Connection to the metadata store.
        base: Folder of the spans.

    Returns:
        The reading; None if there is no such run, or its files are gone.
    """
    with connection as handle:
        for uri in _examples_of(handle.store, base):
            path = f"{uri}/{COUNTS_FILE}"
            if files.exists(path):
                with files.open_binary(path) as file:
                    return msgspec.json.decode(file.read(), type=_Recorded).reading
    return None


def _examples_of(store: MetadataStore, base: str) -> Iterator[str]:
    """Yields the URIs of a folder's Examples that reached a verdict, newest first."""
    for champion in successes(store, "Champion"):
        for context in store.get_contexts_by_execution(champion.id):
            if context.type != "pipeline_run":
                continue
            for execution in store.get_executions_by_context(context.id):
                properties = execution.custom_properties
                if (
                    execution.type.endswith(_READER)
                    and _INPUT_BASE in properties
                    and properties[_INPUT_BASE].string_value == base
                ):
                    yield from _outputs(store, execution.id)


def _outputs(store: MetadataStore, execution: int) -> list[str]:
    """Returns the URIs of an execution's outputs."""
    events = store.get_events_by_execution_ids([execution])
    made = [event.artifact_id for event in events if event.type == mlmd.Event.OUTPUT]
    return [artifact.uri for artifact in store.get_artifacts_by_id(made)]

"""How an earlier run read the same spans, from what the runs of a cluster share.

``marquee retrain`` keeps that in ``spans.json`` in its output folder. Pods share only
the metadata store and the place of the artifacts: the store knows which Examples were
made of the same folder in a run that came to a verdict, and their ``counts.json`` says
how the ratings were read. A run that stopped before (an anomaly, drift) does not count:
it may have stopped because its spans were read wrongly.
"""

import json
from collections.abc import Iterator
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.metadata import Metadata

from components.executions import successes
from components.ratings_example_gen import files
from components.ratings_example_gen.ingest import COUNTS_FILE

_INPUT_BASE = "input_base"
_READER = ".RatingsExampleGen"  # the end of its type


def earlier_reading(connection: Metadata, base: str) -> dict[str, Any] | None:
    """Returns how the ratings of the newest run with a verdict were read.

    Args:
        connection: To the metadata store.
        base: Folder of the spans.

    Returns:
        ``Reading.as_record``; None where there is no such run, or its files are gone.
    """
    with connection as handle:
        for uri in _examples_of(handle.store, base):
            path = f"{uri}/{COUNTS_FILE}"
            if files.exists(path):
                with files.open_binary(path) as file:
                    reading: dict[str, Any] | None = json.load(file).get("reading")
                return reading
    return None


def _examples_of(store: Any, base: str) -> Iterator[str]:
    """Yields the Examples of a folder that were judged, those judged last first."""
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


def _outputs(store: Any, execution: int) -> list[str]:
    """Returns the places of what an execution made."""
    events = store.get_events_by_execution_ids([execution])
    made = [event.artifact_id for event in events if event.type == mlmd.Event.OUTPUT]
    return [artifact.uri for artifact in store.get_artifacts_by_id(made)]

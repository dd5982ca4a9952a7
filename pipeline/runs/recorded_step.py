"""An execution of a step in ML Metadata, which a run with nothing new repeats."""

import time
import uuid

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.runs import output_checksums

RUN, _NODE, _KEY = "pipeline_run", "node", "execution_cache"  # types of contexts
_SUCCEEDED = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)


class RecordedStep:
    """A step of the newest run.

    Attributes:
        name: Name of the step.
        seconds_of_check: Duration of the check of the outputs.
    """

    def __init__(self, store: MetadataStore, execution: mlmd.Execution):
        self.seconds_of_check = 0.0
        self._store, self._execution = store, execution
        self._contexts = store.get_contexts_by_execution(execution.id)
        self._events = store.get_events_by_execution_ids([execution.id])
        numbers = {event.artifact_id for event in self._events}
        self._artifacts = {a.id: a for a in store.get_artifacts_by_id(list(numbers))}
        [node] = [context for context in self._contexts if context.type == _NODE]
        self.name = node.name.partition(".")[2]

    @property
    def has_succeeded(self) -> bool:
        """Whether the step made its outputs, or took them from the cache."""
        return self._execution.last_known_state in _SUCCEEDED

    def artifacts(self, key: str, kind: "mlmd.Event.Type") -> list[mlmd.Artifact]:
        """Returns the artifacts of an input or output, by its key and type of event."""
        return [
            self._artifacts[event.artifact_id]
            for event in self._events
            if event.type == kind and event.path.steps[0].key == key
        ]

    def is_intact(self) -> bool:
        """Returns whether all outputs exist, as they were when their step ended."""
        started = time.monotonic()
        outputs = (mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT)
        made = {event.artifact_id for event in self._events if event.type in outputs}
        found = all(output_checksums.is_intact(self._artifacts[n]) for n in made)
        self.seconds_of_check = time.monotonic() - started
        return found

    def repeat(self, run: mlmd.Context) -> None:
        """Writes the execution of the same step in another run, as TFX writes it."""
        again = mlmd.Execution()
        again.CopyFrom(self._execution)
        for assigned in (
            "id",
            "create_time_since_epoch",
            "last_update_time_since_epoch",
        ):
            again.ClearField(assigned)
        again.name = str(uuid.uuid4())
        read: list[tuple[mlmd.Artifact, mlmd.Event]] = []
        made: list[tuple[mlmd.Artifact, mlmd.Event]] = []
        for event in self._events:
            copy = mlmd.Event(type=event.type, path=event.path)
            pair = (self._artifacts[event.artifact_id], copy)
            (read if event.type == mlmd.Event.INPUT else made).append(pair)
        # TFX registers an execution with its inputs before it computes the cache key. A
        # run that is killed in between leaves it running, not with missing outputs.
        again.last_known_state = mlmd.Execution.RUNNING
        contexts = [c for c in self._contexts if c.type not in (RUN, _KEY)] + [run]
        again.id, *_ = self._store.put_execution(again, read, contexts, True)
        contexts += [c for c in self._contexts if c.type == _KEY]
        is_resolver = not any(event.type == mlmd.Event.OUTPUT for _, event in made)
        again.last_known_state = (
            mlmd.Execution.COMPLETE if is_resolver else mlmd.Execution.CACHED
        )
        self._store.put_execution(again, made, contexts, True)

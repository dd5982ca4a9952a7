"""The questions that lineage asks the ML Metadata store."""

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.pusher import versions
from pipeline import lookups
from pipeline.lineage.contents import Step
from pipeline.metadata import open_metadata

# Somewhere in the parameters of a step, which may be JSON in JSON.
_CODE = re.compile(r"code_version\W+([0-9a-f]{12})\b")
# An input of a Trainer that is another model's story, which is not told here.
_BASE_MODEL = "base_model"


class NoLineageError(LookupError):
    """The metadata store does not know a model."""


class Store:
    """The metadata store of a folder of runs, read only."""

    def __init__(self, path: Path):
        self._path = path
        if not path.is_file():
            raise NoLineageError(
                f"{path} is missing, which alone knows where models came from. Put it "
                "back from a backup; the next `marquee run` would make an empty one"
            )
        try:
            self._store = open_metadata(path)
        except RuntimeError as error:
            raise NoLineageError(
                f"{path} cannot be read: {error}. Try again if a run is at work; else "
                "put it back from a backup"
            ) from error

    def model(self, version: versions.Version) -> int:
        """The id of the Model artifact that a version is a copy of."""
        found = self._store.get_artifacts_by_uri(version.origin)
        if not found:
            raise self._unknown(version, version.origin)
        return int(found[0].id)

    def pushers(
        self, model: int, version: versions.Version
    ) -> dict[int, mlmd.Execution]:
        """Number of the version → Pusher, for each time that a model was pushed."""
        champions = self._of_type("Champion", model)
        found = {}
        for champion in champions:
            for artifact in self.outputs(champion).get("champion", ()):
                for pusher in self._of_type("Pusher", artifact.id):
                    for pushed in self.outputs(pusher).get("pushed_model", ()):
                        number = pushed.custom_properties["pushed_version"].string_value
                        if number:
                            found[int(number)] = pusher
        if not found:
            raise self._unknown(version, f"a push of {version.origin}")
        return found

    def _of_type(self, step: str, used: int) -> list[mlmd.Execution]:
        """The executions of a step that really ran and used an artifact."""
        return [
            execution
            for execution in lookups.users(self._store, used)
            if execution.type.endswith(f".{step}")
        ]

    def maker(self, artifact: int) -> mlmd.Execution:
        """The execution that made an artifact; others took it from the cache."""
        for execution in lookups.makers(self._store, artifact):
            return execution
        raise NoLineageError(
            f"{self._path} does not know what made its artifact {artifact}: a part of "
            "it is missing. Put it back from a backup"
        )

    def upstream(self, execution: mlmd.Execution) -> Iterator[mlmd.Execution]:
        """An execution and all whose outputs it was made of."""
        yield execution
        for name, artifacts in self.inputs(execution).items():
            if name != _BASE_MODEL:
                for artifact in artifacts:
                    yield from self.upstream(self.maker(artifact))

    def inputs(self, execution: mlmd.Execution) -> dict[str, list[int]]:
        """Name of an input → ids of its artifacts."""
        found: dict[str, list[int]] = {}
        for event in self._store.get_events_by_execution_ids([execution.id]):
            if event.type == mlmd.Event.INPUT:
                key = event.path.steps[0].key
                found.setdefault(key, []).append(event.artifact_id)
        return found

    def outputs(self, execution: mlmd.Execution) -> dict[str, list[mlmd.Artifact]]:
        """Name of an output → its artifacts."""
        found: dict[str, list[mlmd.Artifact]] = {}
        for event in self._store.get_events_by_execution_ids([execution.id]):
            if event.type == mlmd.Event.OUTPUT:
                found.setdefault(event.path.steps[0].key, []).extend(
                    self._store.get_artifacts_by_id([event.artifact_id])
                )
        return found

    def run(self, execution: mlmd.Execution) -> str:
        """The id of the run in which it ran."""
        return self._context(execution, "pipeline_run")

    def name(self, execution: mlmd.Execution) -> str:
        """The step's name."""
        return self._context(execution, "node").partition(".")[2]

    def step(self, execution: mlmd.Execution) -> Step:
        """What is told of an execution."""
        told = parameters(execution)
        code = _CODE.search(" ".join(f"{k} {v}" for k, v in told.items()))
        started = execution.create_time_since_epoch / 1000
        return Step(
            name=self.name(execution),
            run=self.run(execution),
            started=datetime.datetime.fromtimestamp(
                started, datetime.timezone.utc
            ).isoformat(timespec="seconds"),
            seconds=execution.last_update_time_since_epoch / 1000 - started,
            code=code[1] if code else None,
        )

    def _context(self, execution: mlmd.Execution, kind: str) -> str:
        contexts = self._store.get_contexts_by_execution(execution.id)
        return str(next(c.name for c in contexts if c.type == kind))

    def _unknown(self, version: versions.Version, what: str) -> NoLineageError:
        return NoLineageError(
            f"{self._path} does not know {what}, so version {version.number} "
            f"({version.model}) was made with another store. Put that one back from a "
            "backup, or let `marquee run` make a model that this one knows"
        )


def parameters(execution: mlmd.Execution) -> dict[str, Any]:
    """What an execution was told, as the store has it."""
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in execution.custom_properties.items()
    }

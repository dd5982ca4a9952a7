"""The queries of the ML Metadata store that lineage needs."""

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_metadata import ListOptions
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.artifact_place import LIVE_ORIGIN, ORIGIN, place_of
from components.executions import successes
from components.live_models import versions
from pipeline.lineage.records import Step
from pipeline.runs import store_lookups
from pipeline.runs.metadata_store import (
    DATABASE_VARIABLE,
    METADATA_FILE,
    artifact_folder,
    database,
    open_database,
    open_metadata,
)
from trainer_modules import features as f

# It can be anywhere in the parameters of a step, which may be JSON in JSON.
_CODE = re.compile(r"code_version\W+([0-9a-f]{12})\b")
# Inputs of Trainers and of Champion that lead to an earlier live model.
OF_OTHER_MODELS = ("base_model", "live_evaluation")


class NoLineageError(LookupError):
    """The metadata store does not contain a model."""


class Store:
    """The metadata store of a folder of runs, read only.

    Attributes:
        place: Path of its file, or address of the database.
    """

    def __init__(self, out: Path, address: str | None = None):
        """Opens the store.

        Args:
            out: Folder of the runs.
            address: Address of the database that has it; None if a file in the folder
                has.

        Raises:
            NoLineageError: If it cannot be opened.
        """
        self._out, path = out, out / METADATA_FILE
        self.place = address or str(path)
        if not address and not path.is_file():
            raise NoLineageError(
                f"{path} is missing. Only this store records where a model came from "
                "and which data it was accepted with. Restore it from a backup; the "
                "next `marquee run` would start an empty one. Runs on Kubeflow have "
                f"theirs in a database: name it in {DATABASE_VARIABLE}"
            )
        try:
            self._store = open_database(address) if address else open_metadata(path)
        except RuntimeError as error:
            advice = (
                "Check the address, and that the server can be reached"
                if address
                else "If a run is in progress, try again; otherwise restore the file "
                "from a backup"
            )
            message = f"Cannot read {self.place}: {error}. {advice}"
            raise NoLineageError(message) from error

    @classmethod
    def of_runs(cls, out: Path) -> "Store":
        """Opens the store of the runs, wherever they ran.

        Raises:
            NoLineageError: If it cannot be opened.
        """
        return cls(out, database())

    def model(self, version: versions.Version) -> int:
        """Returns the ID of the Model artifact that a version is a copy of."""
        # Only the end is compared, because a move changes the root. LIKE's "_" matches
        # any character, so the results are compared again below.
        quoted = version.origin.replace("'", "''")
        options = ListOptions(filter_query=f"uri LIKE '%{quoted}'")
        for artifact in self._store.get_artifacts(options):
            if place_of(artifact.uri) == version.origin:
                return int(artifact.id)
        raise self._unknown(version, version.origin)

    def pushers(
        self, model: int, version: versions.Version
    ) -> dict[int, mlmd.Execution]:
        """Returns the Pushers of a model by the version that each pushed."""
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

    def finished(self, step: str) -> Iterator[mlmd.Execution]:
        """Yields the successful and cached executions of a step, newest first.

        The store numbers executions as they start, so clocks and names do not matter.
        """
        return successes(self._store, step)

    def champion(self, pusher: mlmd.Execution) -> mlmd.Execution:
        """Returns the Champion whose choice a Pusher received."""
        return self.maker(self.inputs(pusher)["model"][0])

    def did_push(self, pusher: mlmd.Execution) -> bool:
        """Returns whether a Pusher, or the one it is cached from, created a version."""
        [pushed] = self.outputs(pusher)["pushed_model"]
        return bool(pushed.custom_properties["pushed"].int_value)

    def left_live(self, pusher: mlmd.Execution) -> str:
        """Returns the place of the Model that was live after a Pusher; "" if none."""
        made = self.outputs(self.champion(pusher))
        if self.did_push(pusher):
            [chosen] = made["champion"]
            return self._origin(chosen)
        [decided] = made["decided"]
        return decided.custom_properties[LIVE_ORIGIN].string_value

    def _origin(self, champion: mlmd.Artifact) -> str:
        """Returns the place of the Model that a champion is a copy of."""
        if recorded := champion.custom_properties[ORIGIN].string_value:
            return recorded
        # Earlier releases recorded it only in the copy's model card.
        serving = self.folder(champion.id) / "Format-Serving"
        card = serving / f.CARD_FILE
        return place_of(json.loads(card.read_text())["origin"]) if card.exists() else ""

    def folder(self, artifact: int) -> Path:
        """Returns the folder of an artifact's files, also after a move of the runs."""
        [found] = self._store.get_artifacts_by_id([artifact])
        return artifact_folder(self._out, found.uri)

    def is_deleted(self, artifact: int) -> bool:
        """Returns whether an artifact's files were removed by a person."""
        [found] = self._store.get_artifacts_by_id([artifact])
        return bool(found.state == mlmd.Artifact.DELETED)

    def transform(self, trainer: mlmd.Execution) -> mlmd.Execution:
        """Returns the Transform whose examples a Trainer used."""
        return self.maker(self.inputs(trainer)["transform_graph"][0])

    def source(self, used_examples: mlmd.Execution) -> str:
        """Returns the path of the ratings behind the ``examples`` of a step."""
        reader = self.maker(self.inputs(used_examples)["examples"][0])
        settings = parameters(reader)
        [split] = json.loads(settings["input_config"])["splits"]
        folder, pattern = settings["input_base"], split["pattern"]
        return folder if pattern == "*" else f"{folder}/{pattern}"

    def _of_type(self, step: str, used: int) -> list[mlmd.Execution]:
        """Returns the executions of a step that ran and used an artifact."""
        return [
            execution
            for execution in store_lookups.users(self._store, used)
            if execution.type.endswith(f".{step}")
        ]

    def maker(self, artifact: int) -> mlmd.Execution:
        """Returns the execution that produced an artifact, not those that reused it."""
        for execution in store_lookups.makers(self._store, artifact):
            return execution
        raise NoLineageError(
            f"{self.place} does not record what produced artifact {artifact}: a part "
            "of the store is missing. Restore it from a backup"
        )

    def upstream(self, execution: mlmd.Execution) -> Iterator[mlmd.Execution]:
        """Yields an execution and all executions that it depends on, each once."""
        found = {execution.id: execution}
        waiting = [execution]
        while waiting:
            yield (execution := waiting.pop())
            for name, artifacts in self.inputs(execution).items():
                if name not in OF_OTHER_MODELS:
                    makers = [self.maker(artifact) for artifact in artifacts]
                    new = {maker.id: maker for maker in makers if maker.id not in found}
                    waiting += new.values()
                    found |= new

    def inputs(self, execution: mlmd.Execution) -> dict[str, list[int]]:
        """Returns the IDs of an execution's input artifacts, by input."""
        found: dict[str, list[int]] = {}
        for event in self._store.get_events_by_execution_ids([execution.id]):
            if event.type == mlmd.Event.INPUT:
                key = event.path.steps[0].key
                found.setdefault(key, []).append(event.artifact_id)
        return found

    def outputs(self, execution: mlmd.Execution) -> dict[str, list[mlmd.Artifact]]:
        """Returns the output artifacts of an execution, by output."""
        found: dict[str, list[mlmd.Artifact]] = {}
        for event in self._store.get_events_by_execution_ids([execution.id]):
            if event.type == mlmd.Event.OUTPUT:
                found.setdefault(event.path.steps[0].key, []).extend(
                    self._store.get_artifacts_by_id([event.artifact_id])
                )
        return found

    def run(self, execution: mlmd.Execution) -> str:
        """Returns the ID of the run of an execution."""
        return self._context(execution, "pipeline_run")

    def name(self, execution: mlmd.Execution) -> str:
        """Returns the name of an execution's step."""
        return self._context(execution, "node").partition(".")[2]

    def step(self, execution: mlmd.Execution) -> Step:
        """Returns the record of an execution."""
        values = parameters(execution)
        started = execution.create_time_since_epoch / 1000
        return Step(
            name=self.name(execution),
            run=self.run(execution),
            started=datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(
                timespec="seconds"
            ),
            seconds=execution.last_update_time_since_epoch / 1000 - started,
            code=values.get("code_version") or _code_inside(values),
        )

    def _context(self, execution: mlmd.Execution, kind: str) -> str:
        contexts = self._store.get_contexts_by_execution(execution.id)
        return str(next(c.name for c in contexts if c.type == kind))

    def _unknown(self, version: versions.Version, what: str) -> NoLineageError:
        return NoLineageError(
            f"{self.place} does not contain {what}, so version {version.number} "
            f"({version.model}) was pushed with another store. Restore that one from a "
            "backup, or train and push a new model with `marquee run`"
        )


def _code_inside(values: Mapping[str, str]) -> str | None:
    """Returns the code version inside a step's parameters; None without one.

    The order of a step's parameters is not the same in each process.
    """
    found = _CODE.search(" ".join(f"{name} {values[name]}" for name in sorted(values)))
    return found[1] if found else None


def parameters(execution: mlmd.Execution) -> dict[str, str]:
    """Returns the parameters of an execution, numbers as text."""
    return {
        name: str(getattr(value, value.WhichOneof("value")))
        for name, value in execution.custom_properties.items()
    }


def settings(execution: mlmd.Execution) -> dict[str, Any]:
    """Returns the settings that the pipeline passed in ``custom_config``."""
    found = json.loads(parameters(execution).get("custom_config", "null")) or {}
    while set(found) in ({"custom_config"}, {"@type", "value"}):
        # Settings of RatingsExampleGen are JSON in a protocol buffer in JSON.
        inner = found.get("custom_config") or found["value"]
        found = json.loads(inner) if isinstance(inner, str) else inner
    return {
        name: value for name, value in sorted(found.items()) if name != "code_version"
    }

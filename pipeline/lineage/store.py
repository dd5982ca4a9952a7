"""The questions that lineage asks the ML Metadata store."""

import datetime
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_metadata import ListOptions
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.artifact_place import LIVE_ORIGIN, ORIGIN, place_of
from components.executions import successes
from components.live_models import versions
from pipeline.lineage.records import Step
from pipeline.runs import store_lookups
from pipeline.runs.metadata_store import artifact_folder, open_metadata
from trainer_modules import features as f

# Somewhere in the parameters of a step, which may be JSON in JSON.
_CODE = re.compile(r"code_version\W+([0-9a-f]{12})\b")
# Inputs of Trainers and of Champion that lead to an earlier live model.
OF_OTHER_MODELS = ("base_model", "live_evaluation")


class NoLineageError(LookupError):
    """The metadata store does not know a model."""


class Store:
    """The metadata store of a folder of runs, read only.

    Attributes:
        path: Of its file, in the folder of the runs.
    """

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            raise NoLineageError(
                f"{path} is missing. Only this store records where a model came from "
                "and which data it was accepted with. Restore it from a backup; the "
                "next `marquee run` would start an empty one"
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
        # The root is another one after a move, and "_" stands for any character.
        quoted = version.origin.replace("'", "''")
        options = ListOptions(filter_query=f"uri LIKE '%{quoted}'")
        for artifact in self._store.get_artifacts(options):
            if place_of(artifact.uri) == version.origin:
                return int(artifact.id)
        raise self._unknown(version, version.origin)

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

    def finished(self, step: str) -> Iterator[mlmd.Execution]:
        """The executions of a step that ran or came from the cache, newest first.

        The store numbers executions as they begin: no clock and no name has a say.
        """
        return successes(self._store, step)

    def champion(self, pusher: mlmd.Execution) -> mlmd.Execution:
        """The Champion whose choice a Pusher had before it."""
        return self.maker(self.inputs(pusher)["model"][0])

    def did_push(self, pusher: mlmd.Execution) -> bool:
        """Whether a Pusher made a version, now or when its outputs were cached."""
        [pushed] = self.outputs(pusher)["pushed_model"]
        return bool(pushed.custom_properties["pushed"].int_value)

    def left_live(self, pusher: mlmd.Execution) -> str:
        """The place of the Model that was live when a Pusher had ended; "" for none."""
        made = self.outputs(self.champion(pusher))
        if self.did_push(pusher):
            [chosen] = made["champion"]
            return self._origin(chosen)
        [decided] = made["decided"]
        return decided.custom_properties[LIVE_ORIGIN].string_value

    def _origin(self, champion: mlmd.Artifact) -> str:
        """The place of the Model that a champion is a copy of."""
        if recorded := champion.custom_properties[ORIGIN].string_value:
            return recorded
        # Champion did not record it yet: the copy's card has it.
        serving = self.folder(champion.id) / "Format-Serving"
        card = serving / f.CARD_FILE
        return place_of(json.loads(card.read_text())["origin"]) if card.exists() else ""

    def folder(self, artifact: int) -> Path:
        """Where an artifact's files are, wherever the folder of runs was moved to."""
        [found] = self._store.get_artifacts_by_id([artifact])
        return artifact_folder(self.path.parent, found.uri)

    def transform(self, trainer: mlmd.Execution) -> mlmd.Execution:
        """The Transform whose examples a Trainer learned from."""
        return self.maker(self.inputs(trainer)["transform_graph"][0])

    def source(self, used_examples: mlmd.Execution) -> str:
        """The path of the ratings that became the ``examples`` of a step."""
        reader = self.maker(self.inputs(used_examples)["examples"][0])
        told = parameters(reader)
        [split] = json.loads(told["input_config"])["splits"]
        folder, pattern = told["input_base"], split["pattern"]
        return folder if pattern == "*" else f"{folder}/{pattern}"

    def _of_type(self, step: str, used: int) -> list[mlmd.Execution]:
        """The executions of a step that really ran and used an artifact."""
        return [
            execution
            for execution in store_lookups.users(self._store, used)
            if execution.type.endswith(f".{step}")
        ]

    def maker(self, artifact: int) -> mlmd.Execution:
        """The execution that made an artifact; others took it from the cache."""
        for execution in store_lookups.makers(self._store, artifact):
            return execution
        raise NoLineageError(
            f"{self.path} does not know what made its artifact {artifact}: a part of "
            "it is missing. Put it back from a backup"
        )

    def upstream(self, execution: mlmd.Execution) -> Iterator[mlmd.Execution]:
        """An execution and all whose outputs it was made of, each once."""
        found = {execution.id: execution}
        waiting = [execution]
        while waiting:
            yield (execution := waiting.pop())
            for name, artifacts in self.inputs(execution).items():
                if name not in OF_OTHER_MODELS:
                    makers = [self.maker(artifact) for artifact in artifacts]
                    new = {each.id: each for each in makers if each.id not in found}
                    waiting += new.values()
                    found |= new

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
            started=datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(
                timespec="seconds"
            ),
            seconds=execution.last_update_time_since_epoch / 1000 - started,
            code=code[1] if code else None,
        )

    def _context(self, execution: mlmd.Execution, kind: str) -> str:
        contexts = self._store.get_contexts_by_execution(execution.id)
        return str(next(c.name for c in contexts if c.type == kind))

    def _unknown(self, version: versions.Version, what: str) -> NoLineageError:
        return NoLineageError(
            f"{self.path} does not know {what}, so version {version.number} "
            f"({version.model}) was made with another store. Put that one back from a "
            "backup, or let `marquee run` make a model that this one knows"
        )


def parameters(execution: mlmd.Execution) -> dict[str, Any]:
    """What an execution was told, as the store has it."""
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in execution.custom_properties.items()
    }


def settings(execution: mlmd.Execution) -> dict[str, Any]:
    """The settings that a step of ours was given in ``custom_config``."""
    told = json.loads(parameters(execution).get("custom_config", "null")) or {}
    while set(told) in ({"custom_config"}, {"@type", "value"}):
        # RatingsExampleGen's are JSON in a protocol buffer in JSON.
        inner = told.get("custom_config") or told["value"]
        told = json.loads(inner) if isinstance(inner, str) else inner
    return {
        name: value for name, value in sorted(told.items()) if name != "code_version"
    }

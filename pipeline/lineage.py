"""Where a live model came from: asked of the ML Metadata store, step by step.

Pusher → Champion → Trainer → Transform → RatingsExampleGen → the files. The store says
what was made of what, with which settings and code; what the steps counted and decided
stands in their artifacts, and is left out where those are gone.
"""

import dataclasses
import datetime
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.pusher import versions
from pipeline.runs import METADATA_FILE, RUN_FILE
from trainer_modules import features as f

LIVE = "live"
_READER = "RatingsExampleGen"
_COUNTS = (
    *("read", "kept", "quarantined", "duplicates", "truncated"),
    *("users", "items", "first", "last"),
)
# Somewhere in the parameters of a step, which may be JSON in JSON.
_CODE = re.compile(r"code_version\W+([0-9a-f]{12})\b")
# An input of a Trainer that is another model's story, which is not told here.
_BASE_MODEL = "base_model"


class NoLineageError(LookupError):
    """The metadata store does not know a model."""


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that a step made, when it last really ran.

    Attributes:
      name: of the step, as ``Trainer_mf_als``.
      run: id of the run in which it ran; later runs took it from the cache.
      started: ISO 8601 in UTC.
      seconds: from start to end.
      code: hash of the sources of ours that it used; None where it used none.
    """

    name: str
    run: str
    started: str
    seconds: float
    code: str | None


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file of ratings as it was when it was read.

    Attributes:
      name: path, with the member of an archive.
      bytes: of it, unpacked where that is known.
      rows: good and bad ones.
    """

    name: str
    bytes: int
    rows: int


@dataclasses.dataclass(frozen=True)
class Data:
    """What the model learned from.

    Attributes:
      source: folder of the ratings.
      fingerprint: SHA-256 of its files' names, sizes and times of change.
      items: where the items' features are from; "" for none.
      items_fingerprint: of that, in the same way.
      schema: file that the ratings were checked with.
      spans: name → SHA-256 of the bytes, None where that was not written down; the
        oldest first; empty where the ratings are no spans.
      files: of the ratings.
      counts: ``read``, ``kept``, ``quarantined``, ``duplicates``, ``truncated``,
        ``users``, ``items``, ``first`` and ``last`` (seconds UTC).
    """

    source: str
    fingerprint: str
    items: str
    items_fingerprint: str
    schema: str
    spans: dict[str, str | None]
    files: list[SourceFile]
    counts: dict[str, int | None]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Why the gate let it live.

    Attributes:
      rule: in words.
      metric: that decides.
      metrics: of the model, on all users of the test split.
      intervals: of some of them, lower and upper end.
      instead_of: the model that was live then; None where none was.
    """

    rule: str
    metric: str
    metrics: dict[str, float | None]
    intervals: dict[str, list[float]]
    instead_of: str | None


@dataclasses.dataclass(frozen=True)
class Lineage:
    """From a version back to the files.

    Attributes:
      version: number of the folder that was asked about.
      model: name in the registry.
      is_live: whether it serves now.
      since: when it went live, ISO 8601 in UTC.
      restored: the version that a rollback took it from, whose lineage this is; None
        for a pushed one.
      origin: the Model artifact that it is a copy of.
      run: id of the run that put it (or what it was restored from) live.
      warm_start: where training started, as the model card says; None from scratch.
      configuration: step → settings of it, of all that decide what is learned; which
        data is not part of them.
      configuration_hash: SHA-256 of that.
      data: what it learned from.
      steps: from the ratings to Pusher, in the order in which they ran.
      judgement: None where Champion's artifact is gone.
    """

    version: int
    model: str
    is_live: bool
    since: str
    restored: int | None
    origin: str
    run: str
    warm_start: dict[str, Any] | None
    configuration: dict[str, dict[str, Any]]
    configuration_hash: str
    data: Data
    steps: list[Step]
    judgement: Judgement | None


def of(out: Path, version: str) -> Lineage:
    """Asks the metadata store about a version.

    Args:
      out: folder of the runs.
      version: ``live`` or a number.

    Raises:
      VersionError: there is no such version.
      NoLineageError: the store is missing, or is not the one that knows the model.
    """
    known = versions.versions(out / "live")
    chosen = _choose(known, version, out)
    store = _Store(out / METADATA_FILE)
    origin = store.model(chosen)
    pushers = store.pushers(origin, chosen)
    number = _pushed_as(known, chosen)
    pusher = pushers.get(number) or pushers[max(pushers)]
    champion = store.maker(store.inputs(pusher)["model"][0])
    trainer = store.maker(origin)
    made_of = {x.id: x for x in store.upstream(trainer)}
    learned = [made_of[number] for number in sorted(made_of)]
    judged = [
        *(
            evaluator
            for artifact in store.inputs(champion)["evaluations"]
            if origin in store.inputs(evaluator := store.maker(artifact))["model"]
        ),
        champion,
        store.maker(store.inputs(pusher)["infra_blessing"][0]),
        pusher,
    ]
    configuration = {
        store.name(x): settings for x in learned if (settings := _settings(x))
    }
    # Among the settings as TFX caches by them, and yet data.
    spans = configuration[_READER].pop("spans", [])
    told = json.dumps(configuration, sort_keys=True)
    card = json.loads((chosen.folder / f.CARD_FILE).read_text())
    return Lineage(
        version=chosen.number,
        model=chosen.model,
        is_live=chosen is known[-1],
        since=chosen.pushed,
        restored=chosen.restored,
        origin=chosen.origin,
        run=store.run(pusher),
        warm_start=card.get("warm_start"),
        configuration=configuration,
        configuration_hash=hashlib.sha256(told.encode()).hexdigest(),
        data=_data(out, store, {store.name(x): x for x in learned}, spans),
        steps=[store.step(x) for x in (*learned, *judged)],
        judgement=_judgement(store.outputs(champion), chosen),
    )


def _choose(known: list[versions.Version], wanted: str, out: Path) -> versions.Version:
    if not known:
        raise versions.nothing_live(out)
    if wanted == LIVE:
        return known[-1]
    for version in known:
        if str(version.number) == wanted:
            return version
    numbers = ", ".join(str(version.number) for version in known)
    raise versions.VersionError(f"{out} has no version {wanted}; it has {numbers}")


def _pushed_as(known: list[versions.Version], version: versions.Version) -> int:
    """The number under which a model first went live, through all rollbacks."""
    by_number = {each.number: each for each in known}
    number = version.number
    while number in by_number and (restored := by_number[number].restored):
        number = restored
    return number


class _Store:
    """The metadata store of a folder of runs, read only."""

    def __init__(self, path: Path):
        self._path = path
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
        if not path.is_file():
            raise NoLineageError(
                f"{path} is missing, which alone knows where models came from. Put it "
                "back from a backup; the next `marquee run` would make an empty one"
            )
        try:
            self._store = MetadataStore(config)
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
            for execution in self._executions(used, mlmd.Event.INPUT)
            if execution.type.endswith(f".{step}")
            and execution.last_known_state == mlmd.Execution.COMPLETE
        ]

    def maker(self, artifact: int) -> mlmd.Execution:
        """The execution that made an artifact; others took it from the cache."""
        for execution in self._executions(artifact, mlmd.Event.OUTPUT):
            if execution.last_known_state == mlmd.Execution.COMPLETE:
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
        parameters = _parameters(execution)
        code = _CODE.search(" ".join(f"{k} {v}" for k, v in parameters.items()))
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

    def _executions(self, artifact: int, kind: int) -> list[mlmd.Execution]:
        ids = [
            event.execution_id
            for event in self._store.get_events_by_artifact_ids([artifact])
            if event.type == kind
        ]
        return list(self._store.get_executions_by_id(ids)) if ids else []

    def _unknown(self, version: versions.Version, what: str) -> NoLineageError:
        return NoLineageError(
            f"{self._path} does not know {what}, so version {version.number} "
            f"({version.model}) was made with another store. Put that one back from a "
            "backup, or let `marquee run` make a model that this one knows"
        )


def _parameters(execution: mlmd.Execution) -> dict[str, Any]:
    """What an execution was told, as the store has it."""
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in execution.custom_properties.items()
    }


def _settings(execution: mlmd.Execution) -> dict[str, Any]:
    """The settings of a step of ours, among TFX's parameters."""
    told = json.loads(_parameters(execution).get("custom_config", "null")) or {}
    while set(told) in ({"custom_config"}, {"@type", "value"}):
        # RatingsExampleGen's are JSON in a protocol buffer in JSON.
        inner = told.get("custom_config") or told["value"]
        told = json.loads(inner) if isinstance(inner, str) else inner
    return {
        name: value for name, value in sorted(told.items()) if name != "code_version"
    }


def _data(
    out: Path, store: _Store, steps: Mapping[str, mlmd.Execution], spans: list[str]
) -> Data:
    """What the first steps read, and counted."""
    reader = steps[_READER]
    read, items = _parameters(reader), _parameters(steps["CatalogueGen"])
    [examples] = store.outputs(reader)["examples"]
    counts = _read(Path(examples.uri, "counts.json"))
    run = _read(out / "runs" / store.run(reader) / RUN_FILE)
    hashes = (run.get("spans") or {}).get("fingerprints", {})
    return Data(
        source=read["input_base"],
        fingerprint=read["input_fingerprint"],
        items=items["items"],
        items_fingerprint=items["items_fingerprint"],
        schema=_parameters(steps["ImportSchemaGen"])["schema_file"],
        spans={name: hashes.get(name) for name in spans},
        files=[SourceFile(**file) for file in counts.get("files", [])],
        counts={name: counts.get(name) for name in _COUNTS},
    )


def _judgement(
    outputs: Mapping[str, list[mlmd.Artifact]], version: versions.Version
) -> Judgement | None:
    decided = _read(Path(outputs["decided"][0].uri, "decision.json"))
    for model in decided.get("models", []):
        if model["name"] == version.model:
            return Judgement(
                rule=model["rule"],
                metric=decided["metric"],
                metrics=model["metrics"],
                intervals=model.get("intervals", {}),
                instead_of=decided["live"]["model"],
            )
    return None


def _read(path: Path) -> dict[str, Any]:
    """A file that a step wrote; empty where it is gone."""
    try:
        told: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return told

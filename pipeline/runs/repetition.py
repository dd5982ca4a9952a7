"""Recognises a run with nothing new, and records it as TFX would, without TFX.

TFX finds step by step that all outputs can be taken from its cache, which takes longer
to import than all of this. Its cache keys depend on what ``Inputs`` holds, on the live
versions, and on the artifacts of the steps before. So if all of that is as it was when
the newest run ended with all of its steps, TFX would find every step in the cache, and
the executions that it would write are copies of the newest run's.

Whatever is different or in doubt is left to TFX (docs/adr/0033).
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components import content_hash, durable_files
from components.artifact_place import ORIGIN, place_of
from components.executions import newest
from components.live_models import version_ledger, versions
from components.ratings_example_gen.fingerprints import fingerprint
from pipeline.config.mlflow_section import MlflowConfig
from pipeline.config.online_section import OnlineConfig
from pipeline.config.sections import PipelineConfig, RunConfig
from pipeline.runs import store_lookups
from pipeline.runs.code_version import version_of_all
from pipeline.runs.metadata_store import METADATA_FILE
from pipeline.runs.recorded_step import RUN, RecordedStep
from pipeline.runs.step_result import StepResult

FILE = "inputs.json"  # in the folder of a run that ended with all of its steps
# Resolvers and the output of each: the first two choose a version of the live folder,
# the last ones the settings that a Tuner found.
_LIVE_MODEL, _BASE_MODEL, _CHAMPION = "LiveModel", "BaseModel", "champion"
_TUNED, _HYPERPARAMETERS = "Tuned_", "hyperparameters"  # of a model


class Inputs(msgspec.Struct, frozen=True):
    """What decides the cache keys of a run's steps, besides the live versions.

    Attributes:
        out: Folder of the runs: a moved folder is left to TFX once.
        config: The resolved configuration.
        data: Folder or file of the ratings.
        files: Fingerprint of the files that are read, by name and bytes.
        schema: SHA-256 of the curated schema.
        code: Hash of all sources, ``version_of_all``.
        life: Lifetime of the live folder, ``version_ledger.life``; empty if there is
            no such folder yet.
    """

    out: str
    config: dict[str, Any]
    data: str
    files: str
    schema: str
    code: str
    life: str


class _Remembered(msgspec.Struct, frozen=True):
    """The content of ``inputs.json``.

    Attributes:
        inputs: The inputs of the run.
        live: Numbers and origins of the versions that it left, the oldest first.
        steps: Names of its steps in the order of execution.
    """

    inputs: Inputs
    live: list[tuple[int, str]]
    steps: list[str]


def read_inputs(
    config: PipelineConfig, data: Path | str, paths: Sequence[str], schema: Path
) -> Inputs:
    """Returns the inputs of a run that starts now.

    Args:
        config: The configuration.
        data: Folder or file of the ratings.
        paths: All files that will be read, with those of items and users.
        schema: File of the curated schema.

    Raises:
        BadInputError: If a file cannot be read.
        OSError: If the schema cannot be read.
        VersionError: If the ledger of the live folder cannot be read.
    """
    out = Path(config.out).absolute()
    live = out / "live"
    # No step reads these.
    anywhere = msgspec.structs.replace(
        config,
        out="",
        run=RunConfig(),
        online=OnlineConfig(),
        mlflow=MlflowConfig(),
    )
    return Inputs(
        out=str(out),
        config=msgspec.json.decode(msgspec.json.encode(anywhere)),
        data=str(data),
        files=fingerprint(paths),
        schema=content_hash.of_file(schema),
        code=version_of_all(),
        life=version_ledger.life(live) if live.is_dir() else "",
    )


def remember(
    out: Path, run_id: str, before: Inputs, after: Inputs, steps: Sequence[StepResult]
) -> None:
    """Records the inputs of a run, unless they changed or a step did not succeed.

    Args:
        out: Folder of the runs.
        run_id: ID of the run.
        before: The inputs when the run started.
        after: The inputs now; the run may have created the live folder.
        steps: How each step ended.
    """
    life = before.life or after.life
    if msgspec.structs.replace(before, life=life) != after:
        return
    if all(step.state in ("done", "cached") for step in steps):
        remembered = _Remembered(after, _live(out), [step.name for step in steps])
        path = out / "runs" / run_id / FILE
        durable_files.write(path, msgspec.json.format(msgspec.json.encode(remembered)))


class Repetition:
    """The newest run, which a run with nothing new repeats.

    Attributes:
        names: Names of the steps in the order of execution.
    """

    def __init__(
        self, out: Path, store: MetadataStore, run: mlmd.Context, names: Sequence[str]
    ):
        self._out, self._store, self._run = out, store, run
        executions = store.get_executions_by_context(run.id)
        steps = [RecordedStep(store, execution) for execution in executions]
        self._steps = sorted(steps, key=lambda step: names.index(step.name))
        self.names = names

    @property
    def is_exact(self) -> bool:
        """Whether TFX would find every step in its cache, given the same inputs."""
        return (
            [step.name for step in self._steps] == self.names
            and all(step.has_succeeded for step in self._steps)
            and all(self._resolves_the_same(step) for step in self._steps)
            and all(step.is_intact() for step in self._steps)
        )

    def _resolves_the_same(self, step: RecordedStep) -> bool:
        """Returns whether a resolver would choose the same artifact.

        A run that made a model live may see another one before it than it did then.
        """
        if step.name.startswith(_TUNED):
            return self._finds_the_same_settings(step)
        if step.name == _LIVE_MODEL:
            models = [
                artifact
                for other in self._steps
                if other.name.startswith("Trainer_")
                for artifact in other.artifacts("model", mlmd.Event.OUTPUT)
            ]
            candidates = {place_of(model.uri) for model in models}
        elif step.name == _BASE_MODEL:
            [graph] = [
                artifact
                for other in self._steps
                for artifact in other.artifacts("transform_graph", mlmd.Event.OUTPUT)
            ]
            candidates = store_lookups.places_made_from(self._store, graph.id)
        else:
            return True
        chosen = step.artifacts(_CHAMPION, mlmd.Event.INTERNAL_OUTPUT)
        origins = [
            artifact.custom_properties[ORIGIN].string_value for artifact in chosen
        ]
        wanted = versions.newest_origin_outside(self._out / "live", candidates)
        return origins == ([wanted] if wanted else [])

    def _finds_the_same_settings(self, step: RecordedStep) -> bool:
        model = step.name.removeprefix(_TUNED)
        found = store_lookups.tuned_settings(self._store).get(model, {})
        chosen = step.artifacts(_HYPERPARAMETERS, mlmd.Event.INTERNAL_OUTPUT)
        newest = store_lookups.newest_tuned(self._store, found)
        return [artifact.id for artifact in chosen] == ([newest] if newest else [])

    def record(
        self,
        run_id: str,
        on_start: Callable[[str], None],
        on_end: Callable[[StepResult], None],
    ) -> list[StepResult]:
        """Records the run in ML Metadata: every step, with the outputs it had.

        Args:
            run_id: ID of the new run.
            on_start: Called with a step's name before it is recorded.
            on_end: Called with its result, whose seconds include the check of outputs.
        """
        run = mlmd.Context(type_id=self._run.type_id, name=run_id)
        [run.id] = self._store.put_contexts([run])
        self._store.put_parent_contexts(
            [
                mlmd.ParentContext(child_id=run.id, parent_id=parent.id)
                for parent in self._store.get_parent_contexts_by_context(self._run.id)
            ]
        )
        results = []
        for step in self._steps:
            on_start(step.name)
            started = time.monotonic()
            step.repeat(run)
            seconds = step.seconds_of_check + time.monotonic() - started
            results.append(StepResult(step.name, "cached", seconds))
            on_end(results[-1])
        return results


def find(out: Path, inputs: Inputs) -> Repetition | None:
    """Returns the newest run if a run with these inputs repeats it; otherwise None.

    The caller holds the lock of the folder of runs.
    """
    store = _opened(out / METADATA_FILE)
    for run in store.get_contexts(newest(1, f"type = '{RUN}'")):
        try:
            written = (out / "runs" / run.name / FILE).read_bytes()
            remembered = msgspec.json.decode(written, type=_Remembered)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        if (remembered.inputs, remembered.live) == (inputs, _live(out)):
            found = Repetition(out, store, run, remembered.steps)
            return found if found.is_exact else None
    return None


def _live(out: Path) -> list[tuple[int, str]]:
    """Returns the versions of the live folder with their origins, oldest first."""
    return [(v.number, v.origin) for v in versions.versions(out / "live")]


def _opened(path: Path) -> MetadataStore:
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE
    return MetadataStore(config)

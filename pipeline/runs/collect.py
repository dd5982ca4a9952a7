"""Collects the record of a run from its steps and what they wrote."""

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from components.infra_check.figures import ServingCheck
from components.live_models import versions
from pipeline.config.sections import LabelConfig, PipelineConfig
from pipeline.runs.model_record import GateRecord, ModelRecord
from pipeline.runs.record import (
    SCHEMA_VERSION,
    About,
    DataRecord,
    Live,
    Rows,
    RunRecord,
    Serves,
    StepRecord,
)
from pipeline.runs.side_file_fit import items_fit, users_fit
from pipeline.runs.single_class import explain_one_label
from pipeline.runs.source_files import SourceFiles
from pipeline.runs.span_record import Spans, Window
from pipeline.runs.status import Status, judge
from pipeline.runs.step_outputs import (
    CatalogueCounts,
    Counts,
    Decision,
    Outputs,
    read_catalogue_counts,
    read_counts,
    read_decision,
    read_drift,
    read_model_card,
    read_pushed,
    read_serving_check,
)
from pipeline.runs.step_result import StepResult


@dataclass(frozen=True)
class Ended:
    """A run whose steps have all ended.

    Attributes:
        run_id: ID of the run.
        started: Start of the run, in seconds UTC.
        moved_from: Where the folder of the runs was before; None if it was not moved.
        source: The files with the data.
        window: The spans of a retraining; None for any other run.
        steps: How each step ended.
    """

    run_id: str
    started: float
    moved_from: Path | None
    source: SourceFiles
    window: Window | None
    steps: Sequence[StepResult]


def collect(config: PipelineConfig, ended: Ended, outputs: Outputs) -> RunRecord:
    """Returns the record of a run."""
    counts, catalogue = read_counts(outputs), read_catalogue_counts(outputs)
    decision = read_decision(outputs)
    serving = read_serving_check(outputs)
    pushed = read_pushed(outputs)
    status = judge(ended.steps, decision, serving, pushed)
    out = Path(config.out)
    return RunRecord(
        run=About(
            id=ended.run_id,
            started=_iso(ended.started),
            seconds=time.time() - ended.started,
            out=config.out,
            moved_from=str(ended.moved_from) if ended.moved_from else None,
            status=status,
            log=str(out / "runs" / ended.run_id / "run.log"),
        ),
        config=msgspec.to_builtins(config),
        data=msgspec.structs.replace(
            describe_data(ended.source.name, config.label, counts, catalogue),
            snapshots=ended.source.snapshots,
        ),
        spans=_spans(ended.window, counts, outputs),
        rows=_rows(counts),
        steps=[_step(step) for step in ended.steps],
        models=[
            _model(name, ended.steps, outputs, decision, serving)
            for name in config.models
        ],
        not_pushed=pushed.overtaken,
        on_trial=pushed.version if status == Status.ON_TRIAL else None,
        live=find_live(out / "live"),
        serves=_serves(out),
        gate=GateRecord(decision.metric, decision.live, serving),
        changed=status == Status.CHANGED,
        schema_version=SCHEMA_VERSION,
    )


def find_live(folder: Path) -> Live:
    """Returns what is live in a folder of versions."""
    version = versions.live(folder)
    return Live(str(version.number), version.model) if version else Live()


def describe_data(
    source: str,
    label: LabelConfig,
    counts: Counts | None,
    catalogue: CatalogueCounts | None,
) -> DataRecord:
    """Returns the record of the data.

    Args:
        source: Name of the data set, or path of the ratings.
        label: Which ratings are liked.
        counts: What RatingsExampleGen counted; None if it did not finish.
        catalogue: What CatalogueGen counted; None if it did not finish.
    """
    if counts is None:
        return DataRecord(source, items_file=items_fit(catalogue))
    # With types of events, several of the kept rows may be of the same pair.
    pairs = 0 if counts.event_types else counts.users * counts.items
    return DataRecord(
        source=source,
        users=counts.users,
        items=counts.items,
        items_first_rated_in_test=(
            catalogue.items_first_rated_in_test if catalogue else None
        ),
        ratings=counts.kept,
        duplicate_users=counts.duplicate_users,
        sparsity=1 - counts.kept / pairs if pairs else None,
        first=None if counts.first is None else _iso(counts.first),
        last=None if counts.last is None else _iso(counts.last),
        one_label=explain_one_label(label, counts.rating_min, counts.rating_max),
        reading=counts.reading,
        late_keys=counts.late_keys,
        items_file=items_fit(catalogue),
        users_file=users_fit(counts),
        event_types=counts.event_types,
    )


def _spans(
    window: Window | None, counts: Counts | None, outputs: Outputs
) -> Spans | None:
    if window is None:
        return None
    overlaps = counts.overlaps if counts else ()
    return Spans(**vars(window), overlaps=overlaps, drift=read_drift(outputs))


def _rows(counts: Counts | None) -> Rows:
    if counts is None:
        return Rows()
    return Rows(**{name: getattr(counts, name) for name in Rows.__struct_fields__})


def _step(step: StepResult) -> StepRecord:
    return StepRecord(
        name=step.name,
        state=step.state,
        cached=step.state == "cached",
        seconds=step.seconds,
        error=str(step.error) if step.error else None,
        peak_memory=step.peak_memory,
    )


def _model(
    name: str,
    steps: Sequence[StepResult],
    outputs: Outputs,
    decision: Decision,
    serving: ServingCheck,
) -> ModelRecord:
    by_name = {step.name: step for step in steps}
    trainer, evaluator = by_name[f"Trainer_{name}"], by_name[f"Evaluator_{name}"]
    judged = next((model for model in decision.models if model.name == name), None)
    failed = next((step for step in (trainer, evaluator) if step.error), None)
    is_trained = trainer.state in ("done", "cached")
    model = ModelRecord(
        name=name,
        state="trained" if is_trained else trainer.state,
        verdict="failed",
        rule="a step before it failed",
        **msgspec.structs.asdict(read_model_card(outputs, name)),
    )
    if failed:
        lines = (str(failed.error).strip() or repr(failed.error)).splitlines()
        rule = f"{failed.name}: {lines[-1].strip()}"
        return msgspec.structs.replace(model, rule=rule)
    if judged is None:
        return model
    model = msgspec.structs.replace(model, **msgspec.structs.asdict(judged))
    if judged.verdict == "live" and decision.changed and serving.problems:
        rule = f"is not fit to serve: {'; '.join(serving.problems)}"
        return msgspec.structs.replace(model, verdict="refused", rule=rule)
    return model


def _serves(out: Path) -> Serves | None:
    """Returns the data that the live version serves from, or why there are none."""
    from pipeline.lineage import NoLineageError, accepted_data

    version = versions.live(out / "live")
    if version is None:
        return None
    try:
        data = accepted_data(out, version)
    except NoLineageError as error:
        return Serves(problem=str(error))
    return Serves(run=data.run, source=data.source)


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds")

"""The estimated cost of a whole run, and what does not fit in the machine's memory."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pipeline.config.sections import PipelineConfig
from pipeline.plan.estimate import Estimate, Estimator
from pipeline.plan.makespan import makespan
from pipeline.plan.observed import observe, observed_runs, reference
from pipeline.plan.work import Size, work_of
from pipeline.runs.capacity import Capacity
from pipeline.runs.record import RunRecord
from trainer_modules.configs.parse import parse
from trainer_modules.registry import MODELS

_GB = 1e9
_SMALLEST_DIM = 4  # of embeddings that are proposed
_NO_SETTING = (
    "Use fewer ratings, leave the model out with --models, or provide more memory; "
    "--max-memory sets how much may be used."
)


class Plan(NamedTuple):
    """What a run will cost.

    Attributes:
        size: The size of the data.
        steps: Step → its estimated cost, in the order of execution.
        seconds: Estimated duration of the run, in seconds, if no step is cached.
        at_once: Number of steps that run at once, and why.
        advice: What does not fit, and what would, as sentences.
    """

    size: Size
    steps: Mapping[str, Estimate]
    seconds: float
    at_once: Capacity
    advice: Sequence[str]


def plan(config: PipelineConfig, size: Size, at_once: Capacity) -> Plan:
    """Returns what a run will cost.

    Args:
        config: The settings.
        size: The size of the data.
        at_once: What may run at once on this machine.
    """
    out = Path(config.out)
    estimator = Estimator(reference().runs, observed_runs(out))
    estimate = functools.partial(_estimate, estimator, config, size)
    before = steps_before(config)
    steps = {step: estimate(step) for step in before}
    seconds = {
        step: each.cost.seconds if each.cost else 0.0 for step, each in steps.items()
    }
    memory = at_once.memory_for_steps
    too_large = [*_too_large(config, steps, estimate, memory)]
    # A step that does not even fit alone is not helped by fewer at once.
    advice = too_large or [*_fewer_jobs(steps, at_once)]
    return Plan(size, steps, makespan(seconds, before, at_once.jobs), at_once, advice)


def estimated_before(out: Path, record: RunRecord) -> dict[str, Estimate]:
    """Returns what the steps that a run ran would have been estimated to cost.

    Args:
        out: Folder of the runs.
        record: The record of the run, whose data has the right size.
    """
    run = observe(record)
    if run is None:
        return {}
    estimator = Estimator(reference().runs, observed_runs(out, before=record.run.id))
    with contextlib.suppress(ValueError):  # settings of an earlier release
        return {step: estimator.estimate(step, run.work(step)) for step in run.steps}
    return {}


def steps_before(config: PipelineConfig) -> dict[str, set[str]]:
    """Returns the steps of a run in the order of execution, with those each waits for.

    TFX is imported, which takes seconds.
    """
    from pipeline import tfx_imports

    with tfx_imports.quick():
        from tfx.dsl.compiler import compiler

        from components.anomaly_gate.schema import CURATED_SCHEMA
        from pipeline.pipeline import Places, create_pipeline
        from pipeline.runs.local_runner import needs_before
        from pipeline.stages.prepare import Source

    with tempfile.TemporaryDirectory() as folder:
        places = Places(folder, folder, Path(CURATED_SCHEMA))
        pipeline = create_pipeline(config, Source(folder), places)
        ir = compiler.Compiler().compile(pipeline)
    return needs_before([node.pipeline_node for node in ir.nodes])


def _estimate(
    estimator: Estimator, config: PipelineConfig, size: Size, step: str, **changed: Any
) -> Estimate:
    """Returns the estimate of a step; ``changed`` are other settings of its model."""
    models = dict(config.models)
    kind, _, name = step.partition("_")
    if changed:
        models[name] = {**models[name], **changed}
    pairs = config.evaluation.max_scored_pairs
    found = estimator.estimate(step, work_of(step, size, models, pairs))
    if kind == "Trainer" and MODELS[name].is_fitted:
        # Each worker holds the data and the model.
        return _in_memory_of(config.train.workers, found)
    return found


def _in_memory_of(processes: int, alone: Estimate) -> Estimate:
    cost = alone.cost
    if cost is None or cost.peak_memory is None:
        return alone
    peak = processes * cost.peak_memory
    return alone._replace(cost=msgspec.structs.replace(cost, peak_memory=peak))


def _too_large(
    config: PipelineConfig,
    steps: Mapping[str, Estimate],
    estimate: Callable[..., Estimate],
    memory: float,
) -> Iterator[str]:
    """Yields what is wrong with steps that need more memory than there is."""
    others = []
    for step, estimated in steps.items():
        if (peak := _peak(estimated)) <= memory:
            continue
        needs = f"{peak / _GB:.1f} GB"
        if fitting := _fitting(config, step, functools.partial(estimate, step), memory):
            yield (
                f"{step} needs about {needs}, but {memory / _GB:.1f} GB may be used. "
                f"{fitting}"
            )
        else:
            others.append(f"{step} ({needs})")
    if others:
        yield (
            f"More memory is needed than the {memory / _GB:.1f} GB that may be used: "
            f"{', '.join(others)}. {_NO_SETTING}"
        )


def _fitting(
    config: PipelineConfig, step: str, estimate: Callable[..., Estimate], memory: float
) -> str:
    """Returns a proposal of narrower embeddings that fit; empty if none do."""
    kind, _, name = step.partition("_")
    dim = _dim(config, name) if kind == "Trainer" else 0
    while (dim := dim // 2) >= _SMALLEST_DIM:
        try:
            peak = _peak(estimate(embedding_dim=dim))
        except ValueError:  # such as a width that the heads cannot share
            continue
        if peak <= memory:
            setting = f"--set models.{name}.embedding_dim={dim}"
            return f"With {setting}, it needs {peak / _GB:.1f} GB."
    return ""


def _fewer_jobs(steps: Mapping[str, Estimate], at_once: Capacity) -> Iterator[str]:
    """Yields a sentence if as many steps as would run at once need too much memory."""
    peaks = sorted(map(_peak, steps.values()), reverse=True)
    memory, jobs = at_once.memory_for_steps, at_once.jobs
    while jobs > 1 and sum(peaks[:jobs]) > memory:
        jobs -= 1
    if jobs < at_once.jobs:
        yield (
            f"The {at_once.jobs} largest steps need about "
            f"{sum(peaks[: at_once.jobs]) / _GB:.1f} GB together, but "
            f"{memory / _GB:.1f} GB may be used. With --jobs {jobs}, "
            f"{sum(peaks[:jobs]) / _GB:.1f} GB are needed."
        )


def _peak(estimated: Estimate) -> int:
    return (estimated.cost.peak_memory if estimated.cost else None) or 0


def _dim(config: PipelineConfig, name: str) -> int:
    """Returns a model's embedding dimension; 0 if it has none."""
    if name not in config.models:
        return 0
    settings = parse(MODELS[name].config_class, config.models[name])
    return getattr(settings, "embedding_dim", 0)

"""Compares two runs: their data, settings, results and durations."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.runs.model_record import ModelRecord
from pipeline.runs.record import RunRecord

# Settings on which the meaning of the metrics depends → what they decide.
_JUDGED_BY = {"label": "what counts as liked", "split": "how ratings are held back"}
_DATA = ("source", "users", "items", "ratings", "first", "last")


@dataclasses.dataclass(frozen=True)
class Difference:
    """A value in both runs; None where a run does not have it."""

    name: str
    first: Any
    second: Any


@dataclasses.dataclass(frozen=True)
class Metric:
    """A model's metric in both runs.

    Attributes:
        name: Name of the metric.
        first: Value in the first run; None if it could not be measured.
        second: Value in the second run; None if it could not be measured.
        first_interval: Ends of the confidence interval in the first run; None if none
            was computed.
        second_interval: Ends of the confidence interval in the second run; None if
            none was computed.
        apart: Whether the intervals are disjoint; None if there are not two.
    """

    name: str
    first: float | None
    second: float | None
    first_interval: tuple[float, float] | None
    second_interval: tuple[float, float] | None
    apart: bool | None


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that both runs have; every pair is of the first and the second run.

    Attributes:
        name: Name in the registry.
        verdict: The verdicts: live, passed, reference, refused or failed.
        rule: The reasons for the verdicts.
        train_seconds: Durations of the training, in seconds; None where the model was
            not trained.
        metrics: All metrics that at least one of the runs has.
    """

    name: str
    verdict: tuple[str, str]
    rule: tuple[str, str]
    train_seconds: tuple[float | None, float | None]
    metrics: list[Metric]


@dataclasses.dataclass(frozen=True)
class Summary:
    """A run in short; ``record.About`` explains the fields."""

    id: str
    started: str
    status: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        runs: The two runs.
        data: Counts, dates and spans, equal or not.
        configuration: Dotted keys whose values differ.
        not_comparable: Why the metrics of the two runs cannot be compared; empty if
            they can.
        models: The models of both runs, in the first run's order.
        only: Names of the models of the first run only, and of the second run only.
        seconds: Duration of each step, in seconds.
    """

    runs: tuple[Summary, Summary]
    data: list[Difference]
    configuration: list[Difference]
    not_comparable: list[str]
    models: list[Model]
    only: tuple[list[str], list[str]]
    seconds: list[Difference]


def compare(first: RunRecord, second: RunRecord) -> Comparison:
    """Compares two runs."""
    data = list(_data(first, second))
    settings = _differences(dict(_flat(first.config)), dict(_flat(second.config)))
    configuration = [setting for setting in settings if setting.name != "out"]
    models, others = _models(first), _models(second)
    seconds, later = _seconds(first), _seconds(second)
    return Comparison(
        runs=(_summary(first), _summary(second)),
        data=data,
        configuration=configuration,
        not_comparable=list(_not_comparable(data, configuration)),
        models=[
            _model(models[name], others[name]) for name in models if name in others
        ],
        only=(
            [name for name in models if name not in others],
            [name for name in others if name not in models],
        ),
        seconds=[
            Difference(name, seconds.get(name), later.get(name))
            for name in dict.fromkeys([*seconds, *later])
        ],
    )


def _models(record: RunRecord) -> dict[str, ModelRecord]:
    return {model.name: model for model in record.models}


def _seconds(record: RunRecord) -> dict[str, float]:
    return {step.name: step.seconds for step in record.steps}


def _summary(record: RunRecord) -> Summary:
    run = record.run
    return Summary(run.id, run.started, run.status, run.seconds)


def _data(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    for name in _DATA:
        yield Difference(name, getattr(first.data, name), getattr(second.data, name))
    spans = [list(r.spans.names) if r.spans else None for r in (first, second)]
    if any(spans):
        yield Difference("spans", *spans)


def _flat(
    values: Mapping[str, object], before: str = ""
) -> Iterator[tuple[str, object]]:
    """Yields the dotted key and the value of everything that is not a mapping."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _differences(
    first: Mapping[str, object], second: Mapping[str, object]
) -> list[Difference]:
    return [
        Difference(key, first.get(key), second.get(key))
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]


def _not_comparable(
    data: list[Difference], configuration: list[Difference]
) -> Iterator[str]:
    for setting in configuration:
        decides = _JUDGED_BY.get(setting.name.partition(".")[0])
        if decides:
            yield f"{decides}: {setting.name} is {setting.first} and {setting.second}"
    changed = [value.name for value in data if value.first != value.second]
    if changed:
        yield f"training and test data: different {', '.join(changed)}"


def _model(first: ModelRecord, second: ModelRecord) -> Model:
    return Model(
        name=first.name,
        verdict=(first.verdict, second.verdict),
        rule=(first.rule, second.rule),
        train_seconds=(first.train_seconds, second.train_seconds),
        metrics=[
            _metric(name, first, second)
            for name in dict.fromkeys([*first.metrics, *second.metrics])
        ],
    )


def _metric(name: str, first: ModelRecord, second: ModelRecord) -> Metric:
    one, other = _interval(first, name), _interval(second, name)
    return Metric(
        name,
        first.metrics.get(name),
        second.metrics.get(name),
        one,
        other,
        one[1] < other[0] or other[1] < one[0] if one and other else None,
    )


def _interval(model: ModelRecord, metric: str) -> tuple[float, float] | None:
    lower, upper = model.intervals.get(metric, (None, None))
    return None if lower is None or upper is None else (lower, upper)

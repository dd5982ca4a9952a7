"""Two runs side by side: what they were told, and what came of it."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

# Settings without which figures do not mean the same, and what to call them.
_JUDGED_BY = {"label": "what counts as liked", "split": "how ratings are held back"}
_DATA = ("source", "users", "items", "ratings", "first", "last")


@dataclasses.dataclass(frozen=True)
class Difference:
    """Something that is not the same in both; None where a run has none."""

    name: str
    first: Any
    second: Any


@dataclasses.dataclass(frozen=True)
class Metric:
    """A model's figure in both runs.

    Attributes:
        name: Of the metric.
        first: In the first run, None where it could not be measured.
        second: In the second.
        first_interval: Lower and upper end; None where none was computed.
        second_interval: Likewise.
        apart: Whether the intervals have nothing in common, so that the difference is
            beyond both; None without intervals.
    """

    name: str
    first: float | None
    second: float | None
    first_interval: list[float] | None
    second_interval: list[float] | None
    apart: bool | None


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that both runs have.

    Attributes:
        name: In the registry.
        verdict: Of both runs: live, passed, reference, refused or failed.
        rule: That decided, in words, of both.
        train_seconds: Of both, None where nothing was trained.
        metrics: All that one of the runs has.
    """

    name: str
    verdict: tuple[str, str]
    rule: tuple[str, str]
    train_seconds: tuple[float | None, float | None]
    metrics: list[Metric]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two runs.

    Attributes:
        runs: Id, start, status and seconds of both, as ``run.json`` has them.
        data: Counts, dates and spans, the same or not.
        configuration: Dotted keys whose values differ.
        not_comparable: Why figures of the two do not mean the same; empty if they do.
        models: Those of both, in the first run's order.
        only: Names of the models that only the first, and only the second run has.
        seconds: Of each step.
    """

    runs: tuple[dict[str, Any], dict[str, Any]]
    data: list[Difference]
    configuration: list[Difference]
    not_comparable: list[str]
    models: list[Model]
    only: tuple[list[str], list[str]]
    seconds: list[Difference]


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Compares two runs' objects, as ``runs.read`` returns them."""
    both = (first, second)
    data = [
        Difference(name, *(run["data"].get(name) for run in both)) for name in _DATA
    ]
    spans = [(run.get("spans") or {}).get("names") for run in both]
    if any(spans):
        data.append(Difference("spans", *spans))
    settings = [dict(_flat(run["config"])) for run in both]
    configuration = _differences(*settings)
    models = [{model["name"]: model for model in run["models"]} for run in both]
    seconds = [{step["name"]: step["seconds"] for step in run["steps"]} for run in both]
    return Comparison(
        runs=(_about(first), _about(second)),
        data=data,
        configuration=[each for each in configuration if each.name != "out"],
        not_comparable=list(_not_comparable(data, configuration)),
        models=[
            _model(models[0][name], models[1][name])
            for name in models[0]
            if name in models[1]
        ],
        only=(
            [name for name in models[0] if name not in models[1]],
            [name for name in models[1] if name not in models[0]],
        ),
        seconds=[
            Difference(name, *(each.get(name) for each in seconds))
            for name in dict.fromkeys([*seconds[0], *seconds[1]])
        ],
    )


def _about(run: Mapping[str, Any]) -> dict[str, Any]:
    return {key: run["run"][key] for key in ("id", "started", "status", "seconds")}


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value, of all that is no mapping."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _differences(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> list[Difference]:
    return [
        Difference(key, first.get(key), second.get(key))
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]


def _not_comparable(
    data: list[Difference], configuration: list[Difference]
) -> Iterator[str]:
    """In words, why figures of the two runs do not mean the same."""
    for each in configuration:
        section = each.name.partition(".")[0]
        if section in _JUDGED_BY:
            yield (
                f"{_JUDGED_BY[section]}: {each.name} is {each.first} and {each.second}"
            )
    changed = [each.name for each in data if each.first != each.second]
    if changed:
        yield f"what they learned from and were judged on: other {', '.join(changed)}"


def _model(first: Mapping[str, Any], second: Mapping[str, Any]) -> Model:
    both = (first, second)
    return Model(
        name=first["name"],
        verdict=(first["verdict"], second["verdict"]),
        rule=(first["rule"], second["rule"]),
        train_seconds=(first["train_seconds"], second["train_seconds"]),
        metrics=[
            _metric(name, *both)
            for name in dict.fromkeys([*first["metrics"], *second["metrics"]])
        ],
    )


def _metric(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Metric:
    one, other = (_interval(run, name) for run in (first, second))
    apart = one[1] < other[0] or other[1] < one[0] if one and other else None
    return Metric(
        name, first["metrics"].get(name), second["metrics"].get(name), one, other, apart
    )


def _interval(model: Mapping[str, Any], metric: str) -> list[float] | None:
    """Lower and upper end; None where it was not measured, as nobody liked a target."""
    ends: list[float] | None = model.get("intervals", {}).get(metric)
    return None if ends is None or None in ends else ends

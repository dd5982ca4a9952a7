"""The course of each training, as its TensorBoard log has it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import (
    TENSORS,
    EventAccumulator,
)
from tensorboard.util import tensor_util

from trainer_modules import validation

LOSS = "loss"
_EPOCH = "epoch_"  # what Keras' callback puts before the name of a figure
_ALL = {TENSORS: 0}  # EventAccumulator would keep a sample
MODES = {
    kind.metric: kind.mode
    for kind in (validation.Ranking, validation.LabelsAUC, validation.StarsError)
}


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One epoch of one training.

    Attributes:
        number: From 1.
        values: Loss and, where the eval split was asked, its metric, by name; NaN where
            the training broke.
        seconds: Since the end of the epoch before; None of the first.
    """

    number: int
    values: dict[str, float]
    seconds: float | None


@dataclasses.dataclass(frozen=True)
class Curve:
    """One training: of a model, of a half of it that was pre-trained, or of a refit.

    Attributes:
        part: Which of the model's trainings; "" of the one that chose the epoch.
        metric: Of the eval split; None where it was not asked.
        epochs: In order.
        best: The number of the epoch whose weights were kept; None without a metric.
    """

    part: str
    metric: str | None
    epochs: list[Epoch]
    best: int | None


def read_curves(model_run: Path) -> list[Curve]:
    """The trainings of one model; none of a closed form.

    Args:
        model_run: The Trainer's artifact, where TensorBoard finds them.
    """
    folders = sorted({path.parent for path in model_run.rglob("events.out.tfevents.*")})
    return [curve for folder in folders if (curve := _curve(model_run, folder))]


def _curve(model_run: Path, folder: Path) -> Curve | None:
    log = EventAccumulator(str(folder), _ALL).Reload()
    figures: dict[int, dict[str, float]] = {}
    ends: dict[int, float] = {}
    for tag in log.Tags()[TENSORS]:
        if not tag.startswith(_EPOCH):
            continue
        for event in log.Tensors(tag):
            value = float(tensor_util.make_ndarray(event.tensor_proto))
            figures.setdefault(event.step, {})[tag.removeprefix(_EPOCH)] = value
            ends[event.step] = event.wall_time
    if not any(LOSS in values for values in figures.values()):
        return None
    steps = sorted(figures)
    epochs = [
        Epoch(
            step + 1, figures[step], ends[step] - ends[last] if last in ends else None
        )
        for step, last in zip(steps, [-1, *steps], strict=False)
    ]
    metric = next((name for name in MODES if name in epochs[0].values), None)
    # Keras writes into a folder "train" below the one that it was given.
    part = folder.relative_to(model_run).parent
    return Curve(
        "" if part == Path() else str(part), metric, epochs, _best(epochs, metric)
    )


def _best(epochs: list[Epoch], metric: str | None) -> int | None:
    """The first of the best, as EarlyStopping keeps it."""
    if metric is None:
        return None
    sign = 1 if MODES[metric] == "max" else -1

    def merit(epoch: Epoch) -> float:
        value = epoch.values.get(metric, math.nan)
        return -math.inf if math.isnan(value) else sign * value

    return max(epochs, key=merit).number


def fastest(curve: Curve) -> float | None:
    """Seconds of the fastest epoch, its eval metric included; None of a single one."""
    known: list[Any] = [e.seconds for e in curve.epochs if e.seconds is not None]
    return min(known, default=None)


def quantities(curves: Mapping[str, Sequence[Curve]]) -> list[str]:
    """What the curves are of: the loss, then the metrics of the eval split."""
    of_all = [curve for each in curves.values() for curve in each]
    metrics = {curve.metric for curve in of_all if curve.metric}
    return [LOSS, *sorted(metrics)] if of_all else []


def series(model: str, curve: Curve) -> str:
    """What a curve is called."""
    return f"{model} ({curve.part})" if curve.part else model

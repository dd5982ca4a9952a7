"""Reads the training curves from TensorBoard logs."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util import tensor_util

from components import tf_records
from trainer_modules.validation_metrics import MODES

LOSS = "loss"
_EPOCH = "epoch_"  # prefix that Keras' callback adds to the name of a figure
_FILES = "events.out.tfevents.*"


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One epoch of one training.

    Attributes:
        number: Number of the epoch, from 1; 0 for the halves of a pre-trained model as
            they were joined, which have no loss.
        values: Loss and, if it was measured, the metric on the eval split, by name; NaN
            if the training diverged.
        seconds: Time since the end of the previous epoch; None for the first.
    """

    number: int
    values: dict[str, float]
    seconds: float | None


@dataclasses.dataclass(frozen=True)
class Curve:
    """One training of a model, of a half that was pre-trained, or of a refit.

    Attributes:
        part: Which of the model's trainings it is; empty for the one that selected the
            epoch.
        metric: Name of the metric on the eval split; None if it was not measured.
        epochs: The epochs in order.
        best: Number of the epoch whose weights were kept; None without a metric.
    """

    part: str
    metric: str | None
    epochs: list[Epoch]
    best: int | None


def read_curves(model_run: Path) -> list[Curve]:
    """Returns the trainings of one model; none for a closed form.

    Args:
        model_run: The Trainer's artifact with the TensorBoard logs.
    """
    folders = sorted({path.parent for path in model_run.rglob(_FILES)})
    return [curve for folder in folders if (curve := _curve(model_run, folder))]


def _curve(model_run: Path, folder: Path) -> Curve | None:
    figures: dict[int, dict[str, float]] = {}
    ends: dict[int, float] = {}
    for event in _events(folder):
        for value in event.summary.value:
            if value.tag.startswith(_EPOCH):
                figure = float(tensor_util.make_ndarray(value.tensor))
                name = value.tag.removeprefix(_EPOCH)
                figures.setdefault(event.step, {})[name] = figure
                ends[event.step] = event.wall_time
    if not any(LOSS in values for values in figures.values()):
        return None
    steps = sorted(figures)
    seconds = [None, *(ends[step] - ends[last] for last, step in pairwise(steps))]
    epochs = [
        Epoch(step + 1, figures[step], took)
        for step, took in zip(steps, seconds, strict=True)
    ]
    metric = next((name for name in MODES if name in epochs[0].values), None)
    # Keras writes into a folder "train" below the one that it was given.
    part = folder.relative_to(model_run).parent
    return Curve(
        "" if part == Path() else str(part), metric, epochs, _best(epochs, metric)
    )


def _events(folder: Path) -> Iterator[Event]:
    # TensorBoard's own reader imports TensorFlow, which takes seconds.
    for path in sorted(folder.glob(_FILES)):
        with path.open("rb") as file:
            yield from map(Event.FromString, tf_records.read_records(file))


def _best(epochs: list[Epoch], metric: str | None) -> int | None:
    """Returns the first of the best epochs, which EarlyStopping keeps."""
    if metric is None:
        return None
    sign = 1 if MODES[metric] == "max" else -1

    def merit(epoch: Epoch) -> float:
        value = epoch.values.get(metric, math.nan)
        return -math.inf if math.isnan(value) else sign * value

    return max(epochs, key=merit).number


def fastest(curve: Curve) -> float | None:
    """Returns the seconds of the fastest epoch after the first; None without one."""
    known = [epoch.seconds for epoch in curve.epochs if epoch.seconds is not None]
    return min(known, default=None)


def quantities(curves: Mapping[str, Sequence[Curve]]) -> list[str]:
    """Returns the names of the curves: the loss, then metrics of the eval split."""
    of_all = [curve for each in curves.values() for curve in each]
    metrics = {curve.metric for curve in of_all if curve.metric}
    return [LOSS, *sorted(metrics)] if of_all else []


def series(model: str, curve: Curve) -> str:
    """Returns the name of a curve."""
    return f"{model} ({curve.part})" if curve.part else model

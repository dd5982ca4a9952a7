"""``make bench-warm-start``: compares training from the live model and from scratch.

MovieLens 1M is cut at two points in time, a month apart. The ratings before the first
train the live model. Those before the second train two more models, which differ only
in where they start. The data steps are those of ``marquee run`` with its default split;
the test split is read once, after training.
"""

import dataclasses
import datetime
import logging
import resource
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import tensorflow as tf
import tensorflow_transform as tft
from rich.console import Console

from benchmarks.figures import machine
from benchmarks.processes import marquee
from benchmarks.training_data import trainer_data
from benchmarks.warm_start_page import CUTS, Row, add
from components.artifact_place import split_folder
from pipeline import datasets
from pipeline.runs.step_outputs import newest_output
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.inputs import Data
from trainer_modules.model_card import ModelCard, write_card
from trainer_modules.progress import progress_log
from trainer_modules.registry import MODELS
from trainer_modules.signatures import Served
from trainer_modules.validation import validation
from trainer_modules.warm_start import (
    Start,
    find_start,
    read_vocabularies,
    write_item_values,
)

SEED = 0
# Models that learn an order or a label: higher values of their metrics are better.
LEARNING_AN_ORDER_OR_LABEL = [
    name
    for name, spec in MODELS.items()
    if getattr(spec.config_class, "loss", "squared_error") != "squared_error"
]

console = Console(width=100)


@dataclasses.dataclass(frozen=True)
class Month:
    """The data of a training on the ratings up to a cut.

    Attributes:
        transform: The vocabularies.
        data: Data whose eval split chooses the epoch.
        test: The same data with the test split instead of the eval split.
        item_values: Vocabulary of the items' side features.
    """

    transform: tft.TFTransformOutput
    data: Data
    test: Data
    item_values: list[bytes]


@dataclasses.dataclass(frozen=True)
class Epoch:
    """Metric of the eval split after an epoch, and CPU seconds since the start."""

    metric: float
    cpu_seconds: float


@dataclasses.dataclass(frozen=True)
class Training:
    """The result of a training. Higher values of all metrics are better.

    Attributes:
        metric: Name of the metric.
        untrained: Metric of the eval split before training.
        epochs: Epochs until training stopped.
        test: Metric of the test split after the best epoch.
    """

    metric: str
    untrained: float
    epochs: list[Epoch]
    test: float

    @property
    def best(self) -> float:
        """The metric after the epoch that was kept."""
        return max(epoch.metric for epoch in self.epochs)

    def until(self, metric: float) -> tuple[int, float] | None:
        """Returns the first epoch that is as good, from 1, and its CPU seconds."""
        for number, epoch in enumerate(self.epochs, start=1):
            if epoch.metric >= metric:
                return number, epoch.cpu_seconds
        return None


def month(name: str, out: Path) -> Month:
    """Returns the data of a cut, from a run or from the cache."""
    folder = out / f"data-{name}"
    if not folder.exists():
        write_ratings_before(CUTS[name], folder)
    marquee(out / name, str(folder), "popularity")
    data, item_values, transform = trainer_data(out / name)
    examples = newest_output(out / name, "Transform", "transformed_examples")
    test = dataclasses.replace(
        data, eval_files=[f"{split_folder(examples, f.TEST_SPLIT)}/*"]
    )
    return Month(transform, data, test, item_values)


def write_ratings_before(cut: datetime.datetime, folder: Path) -> None:
    """Writes MovieLens 1M as it was at a point in time."""
    source = datasets.resolve("ml-1m", lambda *_: None).folder
    folder.mkdir(parents=True)
    for name in ("users.dat", "movies.dat"):
        shutil.copy(source / name, folder)
    with (
        open(source / "ratings.dat") as all_lines,
        open(folder / "ratings.dat", "w") as lines,
    ):
        for line in all_lines:
            if int(line.rpartition("::")[2]) < cut.timestamp():
                lines.write(line)


def compare(name: str, live: Month, now: Month) -> tuple[Start, dict[str, Training]]:
    """Trains a model up to the first cut, then up to the second, warm and cold.

    Returns:
        The warm start, and the trainings ``live``, ``cold`` and ``warm``.
    """
    model, first = train(name, live, Start())
    with tempfile.TemporaryDirectory() as folder:
        export(name, model, live, folder)
        start = find_start(
            folder,
            build(name, now, Start()),
            now.data.sizes,
            lambda: read_vocabularies(
                now.transform.transform_savedmodel_dir, now.item_values
            ),
            card(name, now),
        )
    if not start.warm_start:
        raise click.ClickException(f"{name} starts from scratch: {start.from_scratch}")
    trainings = {"live": first}
    for how, where in (("cold", Start()), ("warm", start)):
        _, trainings[how] = train(name, now, where)
    return start, trainings


def build(name: str, month: Month, start: Start) -> tf.keras.Model:
    """Builds the model with its default settings, as ``run_fn`` does."""
    tf.keras.utils.set_random_seed(SEED)
    spec = MODELS[name]
    model = spec.load_class()(spec.config_class(), month.data.sizes)
    start.give(model, month.data.sizes)
    return model


def train(name: str, month: Month, start: Start) -> tuple[tf.keras.Model, Training]:
    """Trains until the metric of the eval split stops improving."""
    config = MODELS[name].config_class()
    model = build(name, month, start)
    untrained = validation(model, config, month.data).measure()
    progress: list[tuple[str, Epoch]] = []
    began = cpu_seconds()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            epoch: Mapping[str, Any] = getattr(record, "progress", {})
            after = Epoch(epoch["metric"], cpu_seconds() - began)
            progress.append((epoch["metric_name"], after))

    listener = Listener()
    progress_log.setLevel(logging.INFO)
    progress_log.addHandler(listener)
    with tempfile.TemporaryDirectory() as logs:
        training.fit(
            model,
            config,
            month.data,
            seed=SEED,
            log_dir=logs,
            name=name,
            is_warm=start.warm_start is not None,
        )
    progress_log.removeHandler(listener)
    return model, Training(
        metric=progress[0][0],
        untrained=untrained,
        epochs=[epoch for _, epoch in progress],
        test=validation(model, config, month.test).measure(),
    )


def cpu_seconds() -> float:
    """Returns this process's CPU seconds, which other work affects little."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def export(name: str, model: tf.keras.Model, month: Month, folder: str) -> None:
    """Exports a model as a Trainer and Champion do."""
    Served(
        model,
        month.transform,
        unit="logit",
        user_fields=month.data.user_fields,
        list_statistics=ListStatistics(month.data.train_ratings, month.data.sizes),
        first_rated=month.data.first_rated(),
        num_unknown_items=month.data.num_unknown_items,
        share_of_users=1.0,
    ).save(folder)
    write_item_values(folder, month.item_values)
    origin = f"Trainer_{name}"
    write_card(folder, msgspec.structs.replace(card(name, month), origin=origin))


def card(name: str, month: Month) -> ModelCard:
    """Returns what must be equal for one model to start from another."""
    sizes = month.data.sizes
    return ModelCard(
        model=name,
        parameters=0,  # not compared
        config=dataclasses.asdict(MODELS[name].config_class()),
        fields=[*sizes.user_fields, *sizes.item_fields],
        split={},
    )


def row(start: Start, cold: Training, warm: Training) -> Row:
    """Compares both trainings at the metric of the cold one's best epoch."""
    reached = [t.until(cold.best) or (None, None) for t in (cold, warm)]
    return Row(
        metric=cold.metric,
        untrained=(cold.untrained, warm.untrained),
        epochs=(reached[0][0], reached[1][0]),
        cpu_seconds=(reached[0][1], reached[1][1]),
        best=(cold.best, warm.best),
        test=(cold.test, warm.test),
        start=dict(start.warm_start or {}),
        date=datetime.date.today(),
        cores=machine()["cores"],
    )


@click.command()
@click.argument("models", nargs=-1, type=click.Choice(LEARNING_AN_ORDER_OR_LABEL))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Keep the data in this folder."
)
def main(models: tuple[str, ...], out: Path | None) -> None:
    """Measure MODELS, or gmf and deepfm; write docs/results/warm-start.md."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        live, now = (month(name, out or Path(folder)) for name in CUTS)
        for name in models or ("gmf", "deepfm"):
            start, trainings = compare(name, live, now)
            for how, result in trainings.items():
                by_epoch = " ".join(f"{epoch.metric:.4f}" for epoch in result.epochs)
                console.print(f"{name}, {how}: {result.untrained:.4f}, {by_epoch}")
            add(name, row(start, trainings["cold"], trainings["warm"]))


if __name__ == "__main__":
    main()

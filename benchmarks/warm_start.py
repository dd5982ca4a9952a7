"""``make bench-warm-start``: a training from the live model beside one from scratch.

MovieLens 1M is cut at two points in time, a month apart. What came before the first
trains the live model; what came before the second trains two more, which differ in
where they start and in nothing else. The data steps are those of a ``marquee run``, and
the splits are its default; the test split is looked at once, after training.
"""

import dataclasses
import datetime
import importlib
import logging
import resource
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import tensorflow as tf
import tensorflow_transform as tft
from rich.console import Console

from benchmarks.pipeline import machine, marquee
from benchmarks.quality import write_results
from benchmarks.training_data import trainer_data
from pipeline import datasets
from pipeline.runs.execute import newest
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.inputs import Data
from trainer_modules.model_card import write_card
from trainer_modules.registry import MODELS
from trainer_modules.signatures import Served
from trainer_modules.validation import validation
from trainer_modules.warm_start import (
    Start,
    find_start,
    read_vocabularies,
    write_item_values,
)

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
MEASURED, PAGE = RESULTS / "warm-start-ml-1m.json", RESULTS / "warm-start.md"
CUTS = {  # of what the live model knew, and of what there is now
    "live": datetime.datetime(2000, 12, 1, tzinfo=datetime.UTC),
    "now": datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC),
}
SEED = 0
# Those that learn an order or a label: of their metrics, more is better.
LEARNING_AN_ORDER_OR_LABEL = [
    name
    for name, spec in MODELS.items()
    if getattr(spec.config_class, "loss", "squared_error") != "squared_error"
]

INTRODUCTION = """## Warm start: ml-1m

The live model was trained on the ratings before {live:%Y-%m-%d}; cold and warm are
trained on those before {now:%Y-%m-%d}, from scratch and from the live model. Settings
are each model's defaults, and the split is the pipeline's.

Epochs and CPU seconds (of all cores, the eval metric included) are those until the
eval metric was as good as the best of the cold start. Untrained and best are of the
eval split, which chooses the epoch; test is of the test split after that epoch. The
metrics are those of `trainer_modules/validation.py`.
"""

console = Console(width=100)


@dataclasses.dataclass(frozen=True)
class Month:
    """What a training on the ratings up to a cut is given.

    Attributes:
        transform: The vocabularies.
        data: Whose eval split chooses the epoch.
        test: The same, but for the test split in its place.
        item_values: Vocabulary of the items' side features.
    """

    transform: tft.TFTransformOutput
    data: Data
    test: Data
    item_values: list[bytes]


@dataclasses.dataclass(frozen=True)
class Epoch:
    """Metric of the eval split, and what the process had computed since the start."""

    metric: float
    cpu_seconds: float


@dataclasses.dataclass(frozen=True)
class Training:
    """How one went; of all metrics here, more is better.

    Attributes:
        metric: Its name.
        untrained: Of the eval split, before.
        epochs: Until patience ended.
        test: Of the test split, after the best epoch.
    """

    metric: str
    untrained: float
    epochs: list[Epoch]
    test: float

    @property
    def best(self) -> float:
        """The metric of the epoch that was kept."""
        return max(epoch.metric for epoch in self.epochs)

    def until(self, metric: float) -> tuple[int, float] | None:
        """The first epoch that is as good, counted from 1, and its CPU seconds."""
        for number, epoch in enumerate(self.epochs, start=1):
            if epoch.metric >= metric:
                return number, epoch.cpu_seconds
        return None


# ---- The data.


def month(name: str, out: Path) -> Month:
    """Runs the data steps on the ratings up to a cut, or takes them from the cache."""
    folder = out / f"data-{name}"
    if not folder.exists():
        write_ratings_before(CUTS[name], folder)
    marquee(out / name, str(folder), "popularity")
    data, item_values, transform = trainer_data(out / name)
    examples = newest(out / name, "Transform", "transformed_examples")
    test = dataclasses.replace(data, eval_files=[f"{examples}/Split-{f.TEST_SPLIT}/*"])
    return Month(transform, data, test, item_values)


def write_ratings_before(cut: datetime.datetime, folder: Path) -> None:
    """Writes MovieLens 1M as if it were that day."""
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


# ---- The trainings.


def compare(name: str, live: Month, now: Month) -> tuple[Start, dict[str, Training]]:
    """Trains a model up to the first cut, and up to the second from there and anew."""
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
    """Makes the model with its own settings, as ``run_fn`` does."""
    tf.keras.utils.set_random_seed(SEED)
    spec = MODELS[name]
    module = importlib.import_module(f"trainer_modules.models.{name}")
    model = getattr(module, spec.class_name)(spec.config_class(), month.data.sizes)
    start.give(model, month.data.sizes)
    return model


def train(name: str, month: Month, start: Start) -> tuple[tf.keras.Model, Training]:
    """Trains until the eval split ends it."""
    config = MODELS[name].config_class()
    model = build(name, month, start)
    untrained = validation(model, config, month.data).measure()
    told: list[tuple[str, Epoch]] = []
    began = cpu_seconds()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            epoch: Mapping[str, Any] = getattr(record, "progress", {})
            after = Epoch(epoch["metric"], cpu_seconds() - began)
            told.append((epoch["metric_name"], after))

    listener = Listener()
    training.progress_log.setLevel(logging.INFO)
    training.progress_log.addHandler(listener)
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
    training.progress_log.removeHandler(listener)
    return model, Training(
        metric=told[0][0],
        untrained=untrained,
        epochs=[epoch for _, epoch in told],
        test=validation(model, config, month.test).measure(),
    )


def cpu_seconds() -> float:
    """Of this process; of seconds on the wall others take a part."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def export(name: str, model: tf.keras.Model, month: Month, folder: str) -> None:
    """Leaves a model as a Trainer and Champion do."""
    Served(
        model,
        month.transform,
        unit="logit",
        user_fields=month.data.user_fields,
        list_statistics=ListStatistics(month.data.train_ratings, month.data.sizes),
        num_unknown_items=month.data.num_unknown_items,
        share_of_users=1.0,
    ).save(folder)
    write_item_values(folder, month.item_values)
    write_card(folder, {**card(name, month), "origin": f"Trainer_{name}"})


def card(name: str, month: Month) -> dict[str, Any]:
    """What has to be the same of two models for one to start from the other."""
    sizes = month.data.sizes
    return {
        "model": name,
        "config": dataclasses.asdict(MODELS[name].config_class()),
        "fields": [*sizes.user_fields, *sizes.item_fields],
        "split": {},
    }


# ---- What is written.


class Row(msgspec.Struct):
    """A model's line of the table, each pair cold and then warm.

    Attributes:
        metric: Of the eval split, that chooses the epoch.
        untrained: The metric at the start.
        epochs: Until it was as good as the best of the cold start; None: never.
        cpu_seconds: The same.
        best: Of the epoch that was kept.
        test: Of the test split, of that epoch.
        start: What the warm start carried over.
        date: When.
        cores: Of the machine.
    """

    metric: str
    untrained: tuple[float, float]
    epochs: tuple[int | None, int | None]
    cpu_seconds: tuple[float | None, float | None]
    best: tuple[float, float]
    test: tuple[float, float]
    start: dict[str, Any]
    date: datetime.date
    cores: int


def row(start: Start, cold: Training, warm: Training) -> Row:
    """Both trainings until the eval metric was as good as the cold one's best."""
    reached = [each.until(cold.best) or (None, None) for each in (cold, warm)]
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


def page(rows: Mapping[str, Row]) -> str:
    """The Markdown of all that was measured."""
    columns: dict[str, tuple[str, Callable[[Row], tuple[Any, Any]]]] = {
        "epochs": ("d", lambda row: row.epochs),
        "CPU seconds": (".0f", lambda row: row.cpu_seconds),
        "untrained": (".4f", lambda row: row.untrained),
        "best": (".4f", lambda row: row.best),
        "test": (".4f", lambda row: row.test),
    }
    head = ["model", "metric"]
    head += [f"{name}, {how}" for name in columns for how in ("cold", "warm")]
    head += ["users and items kept", "new"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, found in rows.items():
        cells = [name, found.metric]
        for digits, values in columns.values():
            cells += [
                "never" if value is None else format(value, digits)
                for value in values(found)
            ]
        cells += [
            "{users_kept:,} and {items_kept:,}".format(**found.start),
            "{new_users:,} and {new_items:,}".format(**found.start),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    days = sorted({found.date.isoformat() for found in rows.values()})
    cores = max(found.cores for found in rows.values())
    command = f"`make bench-warm-start`: {cores} cores, {' to '.join(days)}; one seed."
    return "\n".join([INTRODUCTION.format(**CUTS), *lines, "", command, ""])


def read() -> dict[str, Row]:
    """What was measured so far, by model."""
    if not MEASURED.exists():
        return {}
    return msgspec.json.decode(MEASURED.read_bytes(), type=dict[str, Row])


@click.command()
@click.argument("models", nargs=-1, type=click.Choice(LEARNING_AN_ORDER_OR_LABEL))
@click.option("--out", type=click.Path(path_type=Path), help="Keeps the data there.")
def main(models: tuple[str, ...], out: Path | None) -> None:
    """Measures MODELS, or gmf and deepfm; writes docs/results/warm-start.md."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        live, now = (month(name, out or Path(folder)) for name in CUTS)
        for name in models or ("gmf", "deepfm"):
            start, trainings = compare(name, live, now)
            for how, each in trainings.items():
                by_epoch = " ".join(f"{epoch.metric:.4f}" for epoch in each.epochs)
                console.print(f"{name}, {how}: {each.untrained:.4f}, {by_epoch}")
            found = row(start, trainings["cold"], trainings["warm"])
            rows = read() | {name: found}
            text = msgspec.json.format(msgspec.json.encode(rows), indent=1)
            MEASURED.write_bytes(text + b"\n")
            PAGE.write_text(page(rows))
            write_results()


if __name__ == "__main__":
    main()

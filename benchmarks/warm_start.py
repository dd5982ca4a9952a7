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
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import tensorflow as tf
import tensorflow_transform as tft
from rich.console import Console

from benchmarks.pipeline import machine, marquee
from pipeline import datasets
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.inputs import Data
from trainer_modules.model_card import write_card
from trainer_modules.registry import MODELS
from trainer_modules.run_fn import read_data
from trainer_modules.signatures import Served
from trainer_modules.validation import validation
from trainer_modules.warm_start import (
    Start,
    find_start,
    read_vocabularies,
    write_item_values,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "warm-start.md"
CUTS = {  # of what the live model knew, and of what there is now
    "live": datetime.datetime(2000, 12, 1, tzinfo=datetime.timezone.utc),
    "now": datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc),
}
SEED = 0
# Those that learn an order or a label: of their metrics, more is better.
MEASURED = [
    name
    for name, spec in MODELS.items()
    if getattr(spec.config_class, "loss", "squared_error") != "squared_error"
]

console = Console(width=100)


@dataclasses.dataclass(frozen=True)
class Month:
    """What a training on the ratings up to a cut is given.

    Attributes:
      transform: the vocabularies.
      data: whose eval split chooses the epoch.
      test: the same, but for the test split in its place.
      item_values: vocabulary of the items' side features.
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
      metric: its name.
      untrained: of the eval split, before.
      epochs: until patience ended.
      test: of the test split, after the best epoch.
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
    artifacts = out / name / "artifacts"
    [graph] = (artifacts / "Transform" / "transform_graph").iterdir()
    [examples] = (artifacts / "Transform" / "transformed_examples").iterdir()
    [catalogue] = (artifacts / "CatalogueGen" / "catalogue").iterdir()
    transform = tft.TFTransformOutput(str(graph))
    files = {split: [f"{examples}/Split-{split}/*"] for split in f.SPLITS}
    settings = {"catalogue": str(catalogue), "leave_out": [], "num_rated_items": 0}
    data, item_values = read_data(
        SimpleNamespace(
            train_files=files[f.TRAIN_SPLIT],
            eval_files=files[f.EVAL_SPLIT],
            custom_config=settings,
        ),
        transform,
    )
    test = dataclasses.replace(data, eval_files=files[f.TEST_SPLIT])
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


def row(name: str, trainings: Mapping[str, Training]) -> str:
    """A model's line of the table."""
    cold, warm = trainings["cold"], trainings["warm"]
    cells = [name, cold.metric, f"{cold.untrained:.4f}", f"{warm.untrained:.4f}"]
    for each in (cold, warm):
        epochs, seconds = each.until(cold.best) or ("never", float("nan"))
        cells += [f"{epochs}", f"{seconds:.0f}"]
    cells += [f"{each.best:.4f}" for each in (cold, warm)]
    cells += [f"{each.test:.4f}" for each in (cold, warm)]
    return f"| {' | '.join(cells)} |"


def page(start: Start, rows: list[str]) -> str:
    """The Markdown of all that was measured."""
    kept = dict(start.warm_start or {})
    head = ["model", "metric"]
    for what in ("untrained", "epochs", "CPU seconds", "best eval", "test"):
        head += [f"{what}, cold", f"{what}, warm"]
    # Epochs and seconds stand beside each other, cold and then warm.
    head[5], head[6] = head[6], head[5]
    lines = [
        "# Warm start: ml-1m",
        "",
        f"Live: trained on the ratings before {CUTS['live']:%Y-%m-%d}. Cold and warm: "
        f"on those before {CUTS['now']:%Y-%m-%d}, from scratch and from the live model "
        f"({kept['users_kept']:,} users and {kept['items_kept']:,} items kept, "
        f"{kept['new_users']:,} and {kept['new_items']:,} new). Epochs and CPU seconds "
        "are those until the eval metric was as good as the best of the cold start. "
        "Every setting is the model's default, every split the pipeline's; the metrics "
        "are those that choose the epoch (`trainer_modules/validation.py`).",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *rows,
        "",
        f"`make bench-warm-start`, {machine()['cores']} cores, "
        f"{datetime.date.today().isoformat()}; one seed.",
        "",
    ]
    return "\n".join(lines)


@click.command()
@click.argument("models", nargs=-1, type=click.Choice(MEASURED))
@click.option("--out", type=click.Path(path_type=Path), help="Keeps the data there.")
def main(models: tuple[str, ...], out: Path | None) -> None:
    """Measures MODELS, or neumf and deepfm; writes docs/results/warm-start.md."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        live, now = (month(name, out or Path(folder)) for name in CUTS)
        rows = []
        for name in models or ("neumf", "deepfm"):
            start, trainings = compare(name, live, now)
            rows.append(row(name, trainings))
            for how, each in trainings.items():
                by_epoch = " ".join(f"{epoch.metric:.4f}" for epoch in each.epochs)
                console.print(f"{name}, {how}: {each.untrained:.4f} {by_epoch}")
            console.print(rows[-1])
        PAGE.write_text(page(start, rows))


if __name__ == "__main__":
    main()

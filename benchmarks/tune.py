"""``make bench-tune``: compares settings of the Tuner with others, on the test split.

For each model, ``marquee tune`` and a random search have the same seconds, side by side
on the same machine; with ``--alone``, there is no random search, and the cores are the
Tuner's. Then the model is trained with its defaults and with the best settings of each
search, and the users of the test split are compared in pairs.
"""

import datetime
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.figures import machine
from benchmarks.processes import MARQUEE, MODULE, marquee
from benchmarks.tune_page import Difference, Row, Search, add
from components.champion.judgements import read_slices
from pipeline.runs.step_outputs import newest_output, read_trials
from trainer_modules.registry import MODELS

METRIC = "ndcg@10"
RESAMPLES, SEED = 10_000, 0
# A closed form, and a model of each task: retrieval, rating, next item.
DEFAULT_MODELS = ("ease", "gmf", "deepfm", "attrec")
COMMANDS = {
    "tuned": (str(MARQUEE),),
    "random": (*MODULE, "benchmarks.random_search"),
}

console = Console(width=100)


def search(
    model: str, data: str, budget: str, out: Path, searches: Sequence[str]
) -> dict[str, Search]:
    """Runs the searches at the same time, each in its own folder of ``out``.

    Raises:
        click.ClickException: If one fails; its output is in ``out``.
    """
    options = ["--data", data, "--models", model, "--budget", budget, "--jobs", "1"]
    options += ["--set", f"gate.metric={METRIC}"]
    running = {}
    for name in searches:
        with open(out / f"{name}.log", "w") as log:
            running[name] = subprocess.Popen(
                [*COMMANDS[name], "tune", *options, "--out", str(out / name)],
                stdout=log,
                stderr=log,
            )
    for name, process in running.items():
        if process.wait() != 0:
            log_end = (out / f"{name}.log").read_text()[-2000:]
            raise click.ClickException(f"{model}, {name}:\n{log_end}")
    return {name: _result(out / name, model) for name in searches}


def _result(out: Path, model: str) -> Search:
    step, output = f"Tuner_{model}", "tuner_results"
    trials = read_trials(
        {(step, output): Path(newest_output(out, step, output))}, model
    )
    return Search(
        trials=len(trials),
        complete=sum(trial.state == "complete" for trial in trials),
        settings=trials[0].values,
    )


def measured_users(
    out: Path, data: str, model: str, *settings: str
) -> npt.NDArray[np.float64]:
    """Trains and evaluates the model; returns the metric of each test user, [N]."""
    marquee(out, data, model, f"gate.metric={METRIC}", *settings)
    evaluation = newest_output(out, f"Evaluator_{model}", "evaluation")
    return read_slices(evaluation)[""].users.values_of(METRIC)


def difference(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> Difference:
    """Returns by how much the first is better, with the interval of 95 %.

    The paired bootstrap: users are drawn with replacement, each with both values.

    Args:
        one: The metric of each user, [N].
        other: The same users' metric with other settings, [N].
    """
    gained = one - other
    gained = gained[~np.isnan(gained)]
    random = np.random.default_rng(SEED)
    means = [
        gained[random.integers(0, len(gained), len(gained))].mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    return Difference(float(gained.mean()), float(low), float(high))


def compare(
    model: str, data: str, budget: str, out: Path, searches: Sequence[str]
) -> Row:
    """Searches, trains with each result, and compares the users of the test split."""
    found = search(model, data, budget, out, searches)
    auto = f"models.{model}.tuned=auto"
    values = {"default": measured_users(out / "tuned", data, model)}
    for name in searches:
        values[name] = measured_users(out / name, data, model, auto)
    random = values.get("random")
    return Row(
        budget=budget,
        searches=found,
        test={name: float(np.nanmean(value)) for name, value in values.items()},
        over_default=difference(values["tuned"], values["default"]),
        over_random=None if random is None else difference(values["tuned"], random),
        date=datetime.date.today(),
        cores=machine()["cores"],
    )


@click.command()
@click.argument("models", nargs=-1, type=click.Choice(list(MODELS)))
@click.option("--data", default="ml-100k", show_default=True)
@click.option("--budget", default="5m", show_default=True, help="Time of each search.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Keep the runs in this new folder."
)
@click.option("--alone", is_flag=True, help="Without a random search beside it.")
def main(
    models: tuple[str, ...], data: str, budget: str, out: Path | None, alone: bool
) -> None:
    """Measure MODELS, or one of each kind; write docs/results/tuning.md."""
    searches = ["tuned"] if alone else list(COMMANDS)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as temporary:
        for model in models or DEFAULT_MODELS:
            folder = (out or Path(temporary)) / f"{data}-{model}"
            folder.mkdir(parents=True)
            row = compare(model, data, budget, folder, searches)
            gain = row.over_default
            console.print(
                f"{data} {model}: {row.test}, {gain.low:+.4f} to {gain.high:+.4f}"
            )
            add(data, model, row)


if __name__ == "__main__":
    main()

"""``make bench-retrain``: replays MovieLens 1M month by month.

Each month's ratings are a span. Every night ``marquee retrain`` takes in the next one.
Then the live model recommends lists, which are compared with the ratings of the
following month, which no step has seen. The first live model, never retrained, and
popularity of the same ratings are measured as well. One month is also replaced by
poisoned ones, each in a copy of that night that is deleted afterwards.
"""

import collections
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.months import POISONS, Rating, read_months, write_span
from benchmarks.processes import MARQUEE
from benchmarks.retraining_page import (
    MODELS,
    POISONED,
    SETTINGS,
    K,
    Night,
    Poisoning,
    write,
)
from components.live_models import versions
from pipeline import datasets
from pipeline.recommend.one_user import ask, load_recommend
from pipeline.recommend.user_history import History
from pipeline.runs import finished_runs
from pipeline.runs.record import RunRecord
from pipeline.runs.status import Status
from pipeline.runs.step_outputs import newest_output

LIKED = 4  # stars or more, the same as label.threshold "> 3"
USERS_PER_CALL = 512
console = Console(width=120)


def retrain(spans: Path, out: Path) -> tuple[RunRecord, str]:
    """Runs one night; returns the contents of ``run.json`` and the output."""
    command = [str(MARQUEE), "retrain", "--data", str(spans), "--out", str(out)]
    for setting in SETTINGS:
        command += ["--set", setting]
    done = subprocess.run(
        [*command, "--models", MODELS], capture_output=True, text=True, check=False
    )
    if done.returncode not in {status.exit_status for status in Status}:
        raise RuntimeError(f"marquee retrain: {done.stderr}")
    return finished_runs.read(out), done.stdout


def recommended(
    model: Path, users: Sequence[str], liked: dict[str, list[str]]
) -> list[list[str]]:
    """Returns each user's list from a served model, without what they liked."""
    recommend = load_recommend(model)
    lists: list[list[str]] = []
    for start in range(0, len(users), USERS_PER_CALL):
        some = users[start : start + USERS_PER_CALL]
        histories = [History().liking(liked.get(user, [])) for user in some]
        answer = ask(recommend, some, histories, K)
        lists += [[item for item, _ in row] for row in answer]
    return lists


def ndcg(found: Sequence[str], wanted: set[str]) -> float:
    """Returns nDCG@10 of one list with equal gains for all wanted items."""
    discount = 1 / np.log2(np.arange(2, K + 2))
    gain = sum(d for item, d in zip(found, discount, strict=False) if item in wanted)
    return float(gain / discount[: len(wanted)].sum())


def judge(
    models: dict[str, Path], past: list[Rating], future: list[Rating]
) -> dict[str, Any]:
    """Compares lists of models with what users liked a month later.

    Args:
        models: Name → folder of the served model.
        past: Ratings so far.
        future: Ratings of the following month.

    Returns:
        The values of ``Night`` that describe the following month.
    """
    rated, liked = collections.defaultdict(set), collections.defaultdict(list)
    for rating in past:
        rated[rating.user].add(rating.item)
        if rating.stars >= LIKED:
            liked[rating.user].append(rating.item)
    wanted: dict[str, set[str]] = collections.defaultdict(set)
    for rating in future:
        if rating.stars >= LIKED and rating.item not in rated[rating.user]:
            wanted[rating.user].add(rating.item)
    users = sorted(wanted)
    known = np.array([bool(rated[user]) for user in users])

    def mean(values: npt.NDArray[np.float64]) -> float:
        return float(values.mean()) if len(values) else float("nan")

    by_model, by_model_known = {}, {}
    for name, model in models.items():
        lists = recommended(model, users, liked)
        values = np.array(
            [ndcg(found, wanted[u]) for found, u in zip(lists, users, strict=True)]
        )
        by_model[name], by_model_known[name] = mean(values), mean(values[known])
    return {
        "ndcg": by_model,
        "ndcg_known": by_model_known,
        "users": len(users),
        "known": int(known.sum()),
    }


def poison(
    what: str, ratings: list[Rating], span: str, spans: Path, out: Path, folder: Path
) -> Poisoning:
    """Retrains in a copy of the night, on a poisoned span instead of the true one.

    Args:
        what: Kind of the poison.
        ratings: Ratings of the true span.
        span: Name of the span.
        spans: Folder of the spans before it.
        out: Folder of the runs before it.
        folder: An empty folder for the copy.
    """
    copies = folder / "spans", folder / "out"
    for source, copy in zip((spans, out), copies, strict=True):
        shutil.copytree(source, copy)
    write_span(copies[0] / span, POISONS[what](ratings))
    before = versions.live(copies[1] / "live")
    run, _ = retrain(*copies)
    after = versions.live(copies[1] / "live")
    errors = [step.error for step in run.steps if step.error]
    why = " ".join(" ".join(errors).split()) or "; ".join(
        f"{model.name}: {model.rule}" for model in run.models[1:]
    )
    why = why.partition("look at the span")[0].strip()
    return Poisoning(what, run.run.status, why, after == before)


def poison_each(
    ratings: list[Rating], span: str, spans: Path, out: Path, folder: Path
) -> list[Poisoning]:
    """Retrains on each kind of poisoned span, in copies that are deleted."""
    found = []
    for what in POISONS:
        with tempfile.TemporaryDirectory(dir=folder) as copies:
            result = poison(what, ratings, span, spans, out, Path(copies))
        found.append(result)
        console.print(f"{span}, {what}: {result.status}; {result.why}")
    return found


def replay(
    months: dict[str, list[Rating]], source: Path, folder: Path, last: int
) -> list[Poisoning]:
    """Replays the nights; returns the results of the poisoned spans.

    Writes the results so far after each night.

    Args:
        months: Month → its ratings. The last one is only compared with.
        source: Folder of MovieLens 1M, with the files of users and items.
        folder: An empty folder.
        last: Maximum number of nights.
    """
    spans, out = folder / "spans", folder / "out"
    spans.mkdir()
    for name in ("users.dat", "movies.dat"):
        shutil.copy(source / name, spans / name)
    nights: list[Night] = []
    poisonings: list[Poisoning] = []
    past: list[Rating] = []
    first: Path | None = None
    pairs = list(itertools.pairwise(months))
    for name, following in pairs[:last]:
        if name == POISONED and first:
            poisonings += poison_each(months[name], name, spans, out, folder)
        write_span(spans / name, months[name])
        past += months[name]
        run, _ = retrain(spans, out)
        live = versions.live(out / "live")
        if live and not first:
            first = folder / "first"
            shutil.copytree(live.folder, first)
        if not live or not first:
            console.print(f"{name}: {run.run.status}; nothing is live yet")
            continue
        popularity = Path(newest_output(out, "Trainer_popularity", "model"))
        models = {"live": live.folder, "never retrained": first}
        models["popularity"] = popularity / "Format-Serving"
        night = Night(
            span=name,
            ratings=len(months[name]),
            status=run.run.status,
            live=run.live.version,
            seconds=run.run.seconds,
            **judge(models, past, months[following]),
        )
        console.print(night)
        nights.append(night)
        write(nights, poisonings, len(pairs))
    return poisonings


@click.command()
@click.option("--nights", default=1000, help="Maximum number of months.")
def main(nights: int) -> None:
    """Replay MovieLens 1M; write the section of docs/results.md and its chart."""
    source = datasets.resolve("ml-1m", lambda *_: None).folder
    months = read_months(source)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        poisonings = replay(months, source, Path(folder), nights)
    if not all(poisoning.live_stayed for poisoning in poisonings):
        raise SystemExit("a poisoned span reached the live model")


if __name__ == "__main__":
    main()

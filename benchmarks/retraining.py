"""``make bench-retrain``: MovieLens 1M again, month by month, as it came in.

Each month's ratings are a span. Night after night ``marquee retrain`` takes the next
one in; then the model that is live is asked for lists, and the ratings of the month
after, which no step has seen, say how good they are. Beside it the first model that
ever went live, never retrained, and popularity of the same ratings. On the way some
months are poisoned, each in a copy of that night that is thrown away.
"""

import collections
import datetime
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import matplotlib.pyplot as plt
import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.pipeline import MARQUEE
from benchmarks.quality import MEASURED, write_results
from components.live_models import versions
from components.ratings_example_gen.spans import MARKER
from pipeline import datasets
from pipeline.recommend.one_user import ask, load_recommend
from pipeline.recommend.user_history import History
from pipeline.runs import execute

MODELS = "mf_als"
# Chosen on the eval split of the spans up to 2000-10. Ten places of a few hundred users
# are too few to tell models apart that are close; the whole ranking is not.
SETTINGS = (
    "models.mf_als.embedding_dim=32",
    "models.mf_als.regularization=0.03",
    "models.mf_als.unobserved_weight=0.1",
    "gate.metric=mean_rank_auc",
)
K = 10
LIKED = 4  # stars and more, as label.threshold "> 3" has it
USERS_PER_CALL = 512
POISONED = "2000-09-01"  # the span that comes poisoned, in copies
CHART = MEASURED / "retraining.svg"
SECTION = MEASURED / "retraining.md"

console = Console(width=120)


class Rating(msgspec.Struct, frozen=True):
    """One line of ``ratings.dat``."""

    user: str
    item: str
    stars: int
    time: int

    def line(self) -> str:
        """As MovieLens 1M writes it."""
        return f"{self.user}::{self.item}::{self.stars}::{self.time}"


class Night(msgspec.Struct):
    """What a retraining came to, and how the lists did in the month after.

    Attributes:
        span: The newest.
        ratings: In it.
        status: Of the run.
        live: The version that serves.
        seconds: Of the run.
        ndcg: Model → nDCG@10 of the next month, over its users.
        ndcg_known: The same over those who had rated before.
        users: Of the next month who liked anything.
        known: How many of them had rated before.
    """

    span: str
    ratings: int
    status: str
    live: str | None
    seconds: float
    ndcg: dict[str, float]
    ndcg_known: dict[str, float]
    users: int
    known: int


class Poisoning(msgspec.Struct):
    """What came of a poisoned span."""

    what: str
    status: str
    why: str
    live_stayed: bool


def read_months(folder: Path) -> dict[str, list[Rating]]:
    """The ratings by month, the oldest first, each in the order of time."""
    months: dict[str, list[Rating]] = collections.defaultdict(list)
    for line in (folder / "ratings.dat").read_text("latin-1").splitlines():
        user, item, stars, time = line.split("::")
        day = datetime.datetime.fromtimestamp(int(time), datetime.UTC)
        rating = Rating(user, item, int(stars), int(time))
        months[day.strftime("%Y-%m-01")].append(rating)
    return {
        month: sorted(months[month], key=lambda rating: rating.time)
        for month in sorted(months)
    }


def write_span(folder: Path, ratings: Iterable[Rating]) -> None:
    """Writes a span, and then the mark that it is whole."""
    folder.mkdir(parents=True)
    lines = "\n".join(rating.line() for rating in ratings)
    (folder / "ratings.dat").write_text(lines + "\n")
    (folder / MARKER).touch()


def retrain(spans: Path, out: Path) -> tuple[dict[str, Any], str]:
    """One night: the run's object, and what was printed."""
    command = [str(MARQUEE), "retrain", "--data", str(spans), "--out", str(out)]
    for setting in SETTINGS:
        command += ["--set", setting]
    done = subprocess.run(
        [*command, "--models", MODELS], capture_output=True, text=True, check=False
    )
    if done.returncode not in execute.EXIT_STATUS.values():
        raise RuntimeError(f"marquee retrain: {done.stderr}")
    return execute.read(out, None), done.stdout


def recommended(
    model: Path, users: Sequence[str], liked: dict[str, list[str]]
) -> list[list[str]]:
    """Each user's list from a served model, what they liked left out."""
    recommend = load_recommend(model)
    lists: list[list[str]] = []
    for start in range(0, len(users), USERS_PER_CALL):
        some = users[start : start + USERS_PER_CALL]
        histories = [History().liking(liked.get(user, [])) for user in some]
        answer = ask(recommend, some, histories, K)
        lists += [[item for item, _ in row] for row in answer]
    return lists


def ndcg(found: Sequence[str], wanted: set[str]) -> float:
    """nDCG@10 of one list, every wanted item worth the same."""
    discount = 1 / np.log2(np.arange(2, K + 2))
    gain = sum(d for item, d in zip(found, discount, strict=False) if item in wanted)
    return float(gain / discount[: len(wanted)].sum())


def judge(
    models: dict[str, Path], past: list[Rating], future: list[Rating]
) -> tuple[dict[str, float], dict[str, float], int, int]:
    """Holds lists of some models against what users liked a month later.

    Returns:
        nDCG@10 by model over all users who liked something new, the same over those of
        them who had rated before, and how many users these are.
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

    every, of_known = {}, {}
    for name, model in models.items():
        lists = recommended(model, users, liked)
        values = np.array(
            [ndcg(found, wanted[u]) for found, u in zip(lists, users, strict=True)]
        )
        every[name], of_known[name] = mean(values), mean(values[known])
    return every, of_known, len(users), int(known.sum())


def shuffled(ratings: list[Rating]) -> list[Rating]:
    """Every rating goes to another user's item."""
    order = np.random.default_rng(0).permutation(len(ratings))
    return [
        msgspec.structs.replace(rating, item=ratings[other].item)
        for rating, other in zip(ratings, order, strict=True)
    ]


def one_user(ratings: list[Rating]) -> list[Rating]:
    """50,000 more ratings, all of one user."""
    random = np.random.default_rng(0)
    items = sorted({rating.item for rating in ratings})
    first, last = ratings[0].time, ratings[-1].time
    return [
        *ratings,
        *(
            Rating("9999", items[random.integers(len(items))], 5, int(time))
            for time in random.integers(first, last, size=50_000)
        ),
    ]


def all_fives(ratings: list[Rating]) -> list[Rating]:
    """Every rating has five stars."""
    return [msgspec.structs.replace(rating, stars=5) for rating in ratings]


POISONS: dict[str, Callable[[list[Rating]], list[Rating]]] = {
    "items shuffled among the ratings": shuffled,
    "one user with 50,000 ratings": one_user,
    "all fives": all_fives,
}


def poison(
    what: str, ratings: list[Rating], span: str, spans: Path, out: Path, folder: Path
) -> Poisoning:
    """Retrains in a copy of the night, on a poisoned span instead of the true one."""
    copies = folder / "spans", folder / "out"
    for source, copy in zip((spans, out), copies, strict=True):
        shutil.copytree(source, copy)
    write_span(copies[0] / span, POISONS[what](ratings))
    before = versions.live(copies[1] / "live")
    run, _ = retrain(*copies)
    after = versions.live(copies[1] / "live")
    errors = [step["error"] for step in run["steps"] if step["error"]]
    why = " ".join(" ".join(errors).split()) or "; ".join(
        f"{model['name']}: {model['rule']}" for model in run["models"][1:]
    )
    why = why.partition("look at the span")[0].strip()
    return Poisoning(what, run["run"]["status"], why, after == before)


def replay(
    months: dict[str, list[Rating]], beside: Path, folder: Path, last: int
) -> list[Poisoning]:
    """Every night but the last, whose month after is not there; writes as it goes."""
    spans, out = folder / "spans", folder / "out"
    spans.mkdir()
    for name in ("users.dat", "movies.dat"):
        shutil.copy(beside / name, spans / name)
    nights: list[Night] = []
    poisonings: list[Poisoning] = []
    past: list[Rating] = []
    first: Path | None = None
    names = list(months)
    for name, following in list(zip(names, names[1:], strict=False))[:last]:
        if name == POISONED and first:
            for what in POISONS:
                with tempfile.TemporaryDirectory(dir=folder) as copies:
                    found = poison(what, months[name], name, spans, out, Path(copies))
                poisonings.append(found)
                console.print(f"{name}, {what}: {found.status}; {found.why}")
        write_span(spans / name, months[name])
        past += months[name]
        run, _ = retrain(spans, out)
        live = versions.live(out / "live")
        if live and not first:
            first = folder / "first"
            shutil.copytree(live.folder, first)
        if not live or not first:
            console.print(f"{name}: {run['run']['status']}; nothing is live yet")
            continue
        models = {
            "live": live.folder,
            "never retrained": first,
            "popularity": Path(
                execute.newest(out, "Trainer_popularity", "model"), "Format-Serving"
            ),
        }
        every, known, num_users, num_known = judge(models, past, months[following])
        night = Night(
            name,
            len(months[name]),
            run["run"]["status"],
            run["live"]["version"],
            run["run"]["seconds"],
            every,
            known,
            num_users,
            num_known,
        )
        nights.append(night)
        told = ", ".join(f"{name} {value:.4f}" for name, value in every.items())
        console.print(f"{name}: {night.status}, version {night.live}; next: {told}")
        write(nights, poisonings, len(names) - 1)
    return poisonings


def draw(nights: list[Night]) -> None:
    """Draws the curves of all nights into ``CHART``."""
    plt.rcParams["svg.hashsalt"] = "marquee"
    figure, axes = plt.subplots(figsize=(9, 4))
    months = [night.span[:7] for night in nights]
    for name in nights[0].ndcg:
        values = [night.ndcg[name] for night in nights]
        axes.plot(months, values, marker="o", markersize=3, label=name)
    axes.set_ylabel(f"nDCG@{K} in the month after")
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", rotation=90)
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(CHART, metadata={"Date": None})
    plt.close(figure)


def section(nights: list[Night], poisonings: list[Poisoning], months: int) -> str:
    """The Markdown of the replay, of so many months if it is whole."""
    names = list(nights[0].ndcg)
    lines = [
        "## Retraining: ml-1m, month by month",
        "",
        "Each month of MovieLens 1M is a span; every night `marquee retrain` takes the "
        "next one in and trains, judges and pushes, or leaves what is live. Then the "
        f"live model's lists are held against what users liked in the month after "
        f"(nDCG@{K} over the whole catalogue, what they had liked left out; of users "
        "who had rated before in brackets). Most ratings of MovieLens are a user's "
        "first evening, so most users of a month are new to every model.",
        f"Measured: the nights up to {nights[-1].span[:7]}, of {months} in all; a "
        "night on which nothing was live yet has no row.",
        "",
        f"![nDCG@{K} in the month after, month by month](results/{CHART.name})",
        "",
        "| newest span | ratings | users after (known) | "
        + " | ".join(names)
        + " | live version | verdict | minutes |",
        "|" + "---|" * (len(names) + 6),
    ]
    for night in nights:
        figures = (
            f"{night.ndcg[name]:.4f} ({night.ndcg_known[name]:.4f})" for name in names
        )
        lines.append(
            f"| {night.span[:7]} | {night.ratings:,} | {night.users:,} "
            f"({night.known:,}) | {' | '.join(figures)} | {night.live} | "
            f"{night.status} | {night.seconds / 60:.1f} |"
        )
    weights = np.array([night.users for night in nights], float)
    means = (
        f"{np.average([night.ndcg[name] for night in nights], weights=weights):.4f}"
        for name in names
    )
    lines += [f"| all, by user | | | {' | '.join(means)} | | | |", ""]
    if poisonings:
        lines += [
            f"Poisoned, {POISONED[:7]} in place of the true month:",
            "",
            "| what | verdict | why | the live model stayed |",
            "|---|---|---|---|",
            *(
                f"| {p.what} | {p.status} | {p.why} | "
                f"{'yes' if p.live_stayed else 'NO'} |"
                for p in poisonings
            ),
            "",
        ]
    options = " ".join(f"--set {setting}" for setting in SETTINGS)
    lines += [
        f"`make bench-retrain`; each night: `marquee retrain --models {MODELS} "
        f"{options}`.",
        "",
    ]
    return "\n".join(lines)


def write(nights: list[Night], poisonings: list[Poisoning], months: int) -> None:
    """Writes what is measured by now, and ``docs/results.md`` with it."""
    MEASURED.mkdir(exist_ok=True)
    told = {"nights": nights, "poisonings": poisonings}
    text = msgspec.json.format(msgspec.json.encode(told), indent=1)
    (MEASURED / "retraining.replay.json").write_bytes(text + b"\n")
    draw(nights)
    SECTION.write_text(section(nights, poisonings, months))
    write_results()


@click.command()
@click.option("--nights", default=1000, help="How many of the first months.")
def main(nights: int) -> None:
    """Replays MovieLens 1M; writes the section of docs/results.md, and its chart."""
    source = datasets.resolve("ml-1m", lambda *_: None).folder
    months = read_months(source)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        poisonings = replay(months, source, Path(folder), nights)
    if not all(poisoning.live_stayed for poisoning in poisonings):
        raise SystemExit("a poisoned span reached the live model")


if __name__ == "__main__":
    main()

"""The section of ``docs/results.md`` on retraining, with its chart."""

import matplotlib.pyplot as plt
import msgspec
import numpy as np

from benchmarks.results import MEASURED, write_results

K = 10  # length of the lists
MODELS = "mf_als"
# Chosen on the eval split of the spans up to 2000-10. Ten places of a few hundred users
# are too few to tell similar models apart; the whole ranking is not.
SETTINGS = (
    "models.mf_als.embedding_dim=32",
    "models.mf_als.regularization=0.03",
    "models.mf_als.unobserved_weight=0.1",
    "gate.metric=mean_rank_auc",
)
POISONED = "2000-09-01"  # the span that copies of the night replace by a poisoned one
CHART = MEASURED / "retraining.svg"
SECTION = MEASURED / "retraining.md"


class Night(msgspec.Struct):
    """The result of a retraining, and of its lists in the following month.

    Attributes:
        span: The newest span.
        ratings: Number of ratings in it.
        status: Status of the run.
        live: Number of the live version.
        seconds: Seconds of the run.
        ndcg: Model → nDCG@10 in the following month, over its users.
        ndcg_known: The same over the users who had rated before.
        users: Number of users who liked an item in the following month.
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
    """The result of retraining on a poisoned span.

    Attributes:
        what: Kind of the poison.
        status: Status of the run.
        why: The run's reason.
        live_stayed: Whether the live version is the same as before.
    """

    what: str
    status: str
    why: str
    live_stayed: bool


def draw(nights: list[Night]) -> None:
    """Draws nDCG by night into ``CHART``."""
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
    """Returns the Markdown of the replay.

    Args:
        nights: The nights so far, at least one.
        poisonings: Results of the poisoned spans.
        months: Number of nights in a complete replay.
    """
    options = " ".join(f"--set {setting}" for setting in SETTINGS)
    lines = [
        "## Retraining: ml-1m, month by month",
        "",
        "Each month of MovieLens 1M is a span. Every night `marquee retrain` takes in "
        "the next one and trains, evaluates and pushes, or keeps the live model. Then "
        "the live model's lists are compared with what users liked in the following "
        f"month (nDCG@{K} over the whole catalogue without the items that they had "
        "liked; in brackets, over users who had rated before). Most ratings of "
        "MovieLens are a user's first evening, so most users of a month are new to "
        "every model.",
        f"Measured: the nights up to {nights[-1].span[:7]}, of {months} in all; a "
        "night before the first live model has no row.",
        "",
        f"![nDCG@{K} in the following month, by month](results/{CHART.name})",
        "",
        *_table(nights),
        "",
        *_poisoned(poisonings),
        f"`make bench-retrain`; each night: `marquee retrain --models {MODELS} "
        f"{options}`.",
        "",
    ]
    return "\n".join(lines)


def _table(nights: list[Night]) -> list[str]:
    names = list(nights[0].ndcg)
    lines = [
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
    return [*lines, f"| all, by user | | | {' | '.join(means)} | | | |"]


def _poisoned(poisonings: list[Poisoning]) -> list[str]:
    if not poisonings:
        return []
    return [
        f"Poisoned, instead of the true {POISONED[:7]}:",
        "",
        "| poison | verdict | reason | the live model was kept |",
        "|---|---|---|---|",
        *(
            f"| {p.what} | {p.status} | {p.why} | {'yes' if p.live_stayed else 'NO'} |"
            for p in poisonings
        ),
        "",
    ]


def write(nights: list[Night], poisonings: list[Poisoning], months: int) -> None:
    """Writes everything measured so far, and ``docs/results.md``."""
    MEASURED.mkdir(exist_ok=True)
    results = {"nights": nights, "poisonings": poisonings}
    text = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (MEASURED / "retraining.replay.json").write_bytes(text + b"\n")
    draw(nights)
    SECTION.write_text(section(nights, poisonings, months))
    write_results()

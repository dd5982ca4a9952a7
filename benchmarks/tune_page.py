"""The page ``docs/results/tuning.md``."""

import datetime
from pathlib import Path
from typing import Any

import msgspec

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
MEASURED, PAGE = RESULTS / "tuning.json", RESULTS / "tuning.md"
INTRODUCTION = """## Settings found by the Tuner

Each model with its defaults, with the settings that `marquee tune` found, and, in some
rows, with those of a random search that ran beside it for the same time and trained
every trial to its end. The searches see the eval split only. The figures are nDCG@10 of
the test split under the pipeline's default split and label, one seed of training. The
differences have the 95 % interval of a paired bootstrap over users; **bold** ones
exclude zero. The first five trials of both searches have the same values: the settings
as they are, and four random ones. The time is that of the clock, on cores shared with
other work.
"""
# What the rows do not show.
NOTES = """On MovieLens 100K, the intervals are wide: its eval split has likes of 493
users. `deepfm` learned from ratings alone by default, and its best trial learned
sampled items, too, which is the default since then (docs/adr/0050). When `ease` was
measured, ten of the Tuner's trials were random instead of five, and when `gmf` and
`deepfm` were measured on MovieLens 100K, it continued the best third of the trials
instead of the better half.

On MovieLens 1M, the random search's settings of `gmf` were not trained for the test
split; on the eval split, they had .0467, the Tuner's .0478 and the defaults .0445.
`item_knn` was begun there and ended after five trials, of which the first, with the
defaults, was the best (.0505 on the eval split; the others .0486 to .0504). `deepfm`
has not been measured there: a trial took 260 s on MovieLens 100K. No sequence model has
been measured yet.

On the sample, the searches were alone, beside other work: 90 s were three trials of
`fm`, and `ncf`, `warp_mf`, `light_gcn` and `mf_sgd` had no result in that time. A
few trials do not show that a default is good.
"""


class Search(msgspec.Struct):
    """The result of a search.

    Attributes:
        trials: Number of trials.
        complete: Number of those that were trained to their end.
        settings: The best settings on the eval split.
    """

    trials: int
    complete: int
    settings: dict[str, Any]


class Difference(msgspec.Struct):
    """A mean difference over users, with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Returns the Markdown of a cell."""
        text = f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f})"
        return f"**{text}**" if self.low > 0 or self.high < 0 else text


class Row(msgspec.Struct):
    """A line of the table.

    Attributes:
        budget: Time of each search.
        searches: ``tuned`` and, unless it was alone, ``random`` → what was found.
        test: Settings (``default``, ``tuned``, ``random``) → metric of the test split.
        over_default: By how much the Tuner's settings are better than the defaults.
        over_random: By how much they are better than those of the random search; None
            if these were not measured on the test split.
        date: Date of the measurement.
        cores: Number of the machine's cores.
    """

    budget: str
    searches: dict[str, Search]
    test: dict[str, float]
    over_default: Difference
    over_random: Difference | None
    date: datetime.date
    cores: int


def page(tables: dict[str, dict[str, Row]]) -> str:
    """Returns the Markdown of all rows.

    Args:
        tables: Data set → model → row.
    """
    head = ["data", "model", "time", "trials", "default", "tuned", "random"]
    head += ["default / tuned", "tuned - default", "tuned - random"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    rows = []
    for data, models in tables.items():
        for model, row in models.items():
            rows.append(row)
            tried = [f"{search.trials}" for search in row.searches.values()]
            cells = [data, model, row.budget, " and ".join(tried)]
            cells += [
                f"{row.test[name]:.4f}" if name in row.test else "-"
                for name in ("default", "tuned", "random")
            ]
            cells += [f"{row.test['default'] / row.test['tuned']:.0%}"]
            cells += [str(row.over_default), str(row.over_random or "-")]
            lines.append("| " + " | ".join(cells) + " |")
    days = sorted({row.date.isoformat() for row in rows})
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    cores = max(row.cores for row in rows)
    command = f"`make bench-tune DATA=ml-1m`: {cores} cores, {when}."
    return "\n".join([INTRODUCTION, *lines, "", command, "", NOTES])


def add(data: str, model: str, row: Row) -> None:
    """Adds or replaces a row, and writes the page."""
    tables: dict[str, dict[str, Row]] = {}
    if MEASURED.exists():
        tables = msgspec.json.decode(
            MEASURED.read_bytes(), type=dict[str, dict[str, Row]]
        )
    tables.setdefault(data, {})[model] = row
    encoded = msgspec.json.encode(dict(sorted(tables.items())))
    MEASURED.write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")
    PAGE.write_text(page(tables))

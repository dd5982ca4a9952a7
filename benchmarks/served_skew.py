"""How often ``marquee skew`` raises an alert without skew, on simulated hours.

The users are those of a finished run, ``marquee run --data ml-1m``. In each hour, some
of them get lists, more often those with many ratings, and with a cycle of 24 hours, in
which age groups are active at different times. Their histories grow after training, and
some users are new.
"""

import datetime
import shutil
import tempfile
from pathlib import Path

import click
import numpy as np
import pyarrow.parquet as pq

from components.anomaly_gate.schema import SERVED_SCHEMA
from components.live_models import versions
from pipeline.lineage.training_data import training_data
from pipeline.list_log.shown import Shown, as_table
from pipeline.recommend.user_history import Histories, files_of
from pipeline.served_features.comparison import Wanted, compare

START = 1_795_000_000 // 86_400 * 86_400  # midnight, in seconds UTC
EVENTS_A_DAY = 1.0  # of a user, after training
SHARE_NEW = 0.1


class Traffic:
    """Draws the lists of an hour."""

    def __init__(self, histories: Histories, seed: int):
        self._random = np.random.default_rng(seed)
        self._histories = [(user, histories.of(user)) for user in histories]
        newest = max(history.times[-1] for _, history in self._histories)
        self._shift = START - newest
        items = [item for _, history in self._histories for item in history.items]
        self._items = np.array(items, object)
        self._activity = np.array([len(h.items) for _, h in self._histories], float)
        groups = [sorted(history.features)[0] for _, history in self._histories]
        _, group = np.unique(groups, return_inverse=True)
        self._phase = 2 * np.pi * group / (group.max() + 1)

    def hour(self, hour: int, number: int) -> list[Shown]:
        """Returns the lists of an hour, of at least ``number`` users."""
        cycle = 1 + 0.5 * np.sin(2 * np.pi * hour / 24 + self._phase)
        weight = self._activity * cycle
        chosen = self._random.choice(
            len(weight), number, replace=False, p=weight / weight.sum()
        )
        return [self._page(place, hour) for place in chosen]

    def _page(self, place: int, hour: int) -> Shown:
        user, history = self._histories[place]
        at = START + hour * 3600 + int(self._random.integers(3600))
        count = self._random.poisson(EVENTS_A_DAY * hour / 24)
        items, ratings = list(history.items), list(history.ratings)
        times = [time + self._shift for time in history.times]
        features = history.features
        if self._random.random() < SHARE_NEW:
            user, items, ratings, times = f"new-{user}-{hour}", [], [], []
            count, features = self._random.integers(5), ()
        items += self._random.choice(self._items, count).tolist()
        ratings += self._random.choice([1.0, 2.0, 3.0, 4.0, 5.0], count).tolist()
        times += np.sort(self._random.integers(START, at + 1, count)).tolist()
        return Shown(
            time=at * 1_000_000,
            share=1.0,
            version=1,
            model="mf_als",
            user=user,
            known=bool(items),
            k=1,
            start=0,
            items=["1"],
            scores=[1.0],
            probabilities=[1.0],
            short="",
            at=at,
            excluded=(),
            filters=(),
            has_feed=False,
            history_items=items,
            history_ratings=ratings,
            history_times=times,
            history_types=(),
            user_features=features,
            call_rows=1,
            call_place=0,
            call_k=1,
            call_widths={},
        )


def false_alarms(out: Path, users: int, hours: int, seed: int) -> dict[str, int]:
    """Returns the number of hours with an alert, by what has raised it."""
    data = training_data(out, versions.versions(out / "live")[-1])
    traffic = Traffic(Histories(files_of(str(data.examples))), seed)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "out"
        shutil.copytree(out, copy)
        (copy / "lists").mkdir()
        for day in range(0, hours, 24):
            pages = [
                p for hour in range(day, day + 24) for p in traffic.hour(hour, users)
            ]
            pq.write_table(as_table(pages), copy / f"lists/lists-{day:05}.parquet")
        found = compare(copy, Wanted("hour", hours, users, SERVED_SCHEMA))
    counts = {"hours": len(found.compared), "hours with an alert": 0}
    for period in found.compared:
        counts["hours with an alert"] += bool(period.alerts)
        for alert in period.alerts:
            key = f"{alert.between} of {alert.feature}, {alert.distance}"
            counts[key] = counts.get(key, 0) + 1
    return counts


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--users", default=200, show_default=True)
@click.option("--hours", default=240, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(out: Path, users: int, hours: int, seed: int) -> None:
    """Counts the hours with an alert, although nothing is wrong."""
    start = datetime.datetime.now(datetime.UTC)
    print(
        false_alarms(out, users, hours, seed),
        datetime.datetime.now(datetime.UTC) - start,
    )


if __name__ == "__main__":
    main()

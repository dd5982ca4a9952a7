"""``make bench-skew``: how often ``marquee skew`` raises an alert without a reason.

3,000 users with 20 items each on average are generated. In each hour, some of them get
a list: more often those with many items, and by a cycle of 24 hours, in which age
groups are active at different times. After training, a user does something once a day,
and a tenth of the lists are of new users.
"""

import collections
from typing import Any

import click
import numpy as np
from rich.console import Console

from components.anomaly_gate.schema import SERVED_SCHEMA, read_schema
from components.live_models.versions import Version
from pipeline.recommend.user_history import History
from pipeline.served_features.periods import Periods, Training
from pipeline.served_features.served import Served
from pipeline.served_features.training_form import TrainingForm
from trainer_modules.features import NUMERIC, Kind

START = 1_795_046_400  # midnight, in seconds UTC
HOUR = START // 3600
NUM_USERS, NUM_ITEMS, MEAN_ITEMS = 3000, 500, 20
AGES, CITIES = (18, 25, 35, 45, 56), ("Bern", "Oslo", "Rome", "Wien")
STAR_SHARES = (0.05, 0.1, 0.25, 0.35, 0.25)
EVENTS_A_DAY, SHARE_NEW = 1.0, 0.1
SAMPLES = (50, 100, 200, 500)


class Known(dict[str, History]):
    """The histories of training, by user."""

    def of(self, user: str) -> History:
        """Returns the history of a user."""
        return self[user]


class Traffic:
    """Lists of each hour after training, in place of a log."""

    per = "hour"

    def __init__(self, sample: int, seed: int):
        """Draws the histories of training.

        Args:
            sample: Number of users with a list in an hour.
            seed: Seed of everything that is drawn.
        """
        self._random, self._sample = np.random.default_rng(seed), sample
        popularity = 1 / np.arange(10, NUM_ITEMS + 10)
        self._popularity = popularity / popularity.sum()
        self._age = self._random.choice(len(AGES), NUM_USERS)
        self.known = Known(
            (f"u{user}", self._trained(int(age))) for user, age in enumerate(self._age)
        )
        self._activity = np.array([len(h.items) for h in self.known.values()], float)

    def num_users(self, version: int, period: int) -> int:
        """Returns the number of users with a list in an hour."""
        return self._sample

    def of(self, version: int, period: int) -> list[Served]:
        """Returns the lists of an hour."""
        cycle = 2 * np.pi * (period / 24 + self._age / len(AGES))
        weight = self._activity * (1 + 0.5 * np.sin(cycle))
        users = self._random.choice(
            NUM_USERS, self._sample, replace=False, p=weight / weight.sum()
        )
        return [self._served(f"u{user}", period) for user in users]

    def _served(self, user: str, period: int) -> Served:
        at = period * 3600 + int(self._random.integers(3600))
        history, count = self.known[user], EVENTS_A_DAY * (period - HOUR) / 24
        if self._random.random() < SHARE_NEW:
            user, history, count = f"new-{user}", History(), 2.0
        items, ratings, times = self._events(self._random.poisson(count), START, at)
        history = History(
            [*history.items, *items],
            [*history.ratings, *ratings],
            history.features,
            [*history.times, *times],
        )
        return Served(user, at, at, history, frozenset())

    def _trained(self, age: int) -> History:
        count = 1 + self._random.geometric(1 / MEAN_ITEMS)
        items, ratings, times = self._events(count, START - 90 * 86_400, START)
        income = self._random.lognormal(10, 0.5)  # a few are much larger than most
        city = self._random.choice(CITIES, p=(0.1, 0.5, 0.3, 0.1))
        features = f"user_age={AGES[age]}", f"user_city={city}", f"user_income={income}"
        return History(items, ratings, features, times)

    def _events(self, count: int, first: int, last: int) -> tuple[list[Any], ...]:
        items = self._random.choice(NUM_ITEMS, count, p=self._popularity)
        ratings = self._random.choice(np.arange(1.0, 6.0), count, p=STAR_SHARES)
        times = np.sort(self._random.integers(first, last + 1, count))
        return [f"i{item}" for item in items], ratings.tolist(), times.tolist()


def alarms(sample: int, hours: int, seed: int) -> collections.Counter[str]:
    """Returns the number of hours with an alert, in total and by its cause.

    Args:
        sample: Number of users with a list in an hour.
        hours: Number of hours after training.
        seed: Seed of what is drawn.
    """
    traffic: Any = Traffic(sample, seed)
    form = TrainingForm(traffic.known, {"user_income": Kind(NUMERIC, 10)})
    version: Any = Version(1, None, "mf_als", "", "", None)  # type: ignore[arg-type]
    schema = read_schema(SERVED_SCHEMA)
    periods = Periods(version, traffic, Training(form, None), schema, sample // 2)
    found = collections.Counter[str]()
    for hour in range(HOUR + 1, HOUR + 1 + hours):
        compared = periods.compared(hour)
        found["hours with an alert"] += bool(compared.alerts)
        found.update({f"{a.between} of {a.feature}" for a in compared.alerts})
    return found


@click.command()
@click.option("--hours", default=240, show_default=True)
@click.option("--seeds", default=5, show_default=True)
def main(hours: int, seeds: int) -> None:
    """Prints the number of false alarms by the number of users in an hour."""
    console = Console()
    for sample in SAMPLES:
        found = collections.Counter[str]()
        for seed in range(seeds):
            found += alarms(sample, hours, seed)
        console.print(f"{sample} users: {dict(found)} of {hours * seeds} hours")


if __name__ == "__main__":
    main()

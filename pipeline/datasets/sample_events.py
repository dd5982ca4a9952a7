"""Generates a log of events in RetailRocket's layout, from the people of the sample.

Each rating of the sample becomes a visit: one to three views, an addtocart if the
person likes the film, and often a transaction, the more so the better it is liked. A
view after that is common, as in real shops. Nothing in it comes from RetailRocket: only
the columns are those of its events.csv, with times in milliseconds.

To write one: python -m pipeline.datasets.sample_events events.csv
"""

import sys
from pathlib import Path

import numpy as np

from pipeline.datasets.sample_films import make_items
from pipeline.datasets.sample_log import make_ratings
from pipeline.datasets.sample_random import Ints
from pipeline.datasets.sample_users import make_users

HEADER = "timestamp,visitorid,event,itemid,transactionid"
VIEW, CART, BUY = "view", "addtocart", "transaction"
LIKED = 4  # stars
STEP = 4  # seconds between the events of a visit; ratings are at least 20 apart


def write_events(path: Path) -> None:
    """Writes the log, ordered by time: the same bytes every time."""
    random = np.random.Generator(np.random.PCG64(20_261_129))
    items, users = make_items(random), make_users(random)
    user, item, stars, time = make_ratings(random, users, items)
    visit, event = _events(random, stars)
    # Position of each event within its visit.
    place = np.arange(len(visit)) - np.searchsorted(visit, visit)
    millis = 1000 * (time[visit] + STEP * place)
    order = np.lexsort((place, user[visit], millis))
    lines = [HEADER]
    num_bought = 0
    for row in order.tolist():
        num_bought += event[row] == BUY
        number = str(num_bought) if event[row] == BUY else ""
        owner, bought = user[visit[row]] + 1, items.id[item[visit[row]]]
        lines.append(f"{millis[row]},{owner},{event[row]},{bought},{number}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _events(random: np.random.Generator, stars: Ints) -> tuple[Ints, list[str]]:
    """Returns the visit and the type of each event, in the order of the visits."""
    views = 1 + (random.random(len(stars)) * 3).astype(np.int64)
    carted = stars >= LIKED
    bought = carted & (random.random(len(stars)) < np.where(stars > LIKED, 0.7, 0.3))
    seen_again = bought & (random.random(len(stars)) < 0.3)
    visit, event = [], []
    for number in range(len(stars)):
        kinds = [VIEW] * int(views[number])
        kinds += [CART] * bool(carted[number]) + [BUY] * bool(bought[number])
        kinds += [VIEW] * bool(seen_again[number])
        visit += [number] * len(kinds)
        event += kinds
    return np.array(visit, np.int64), event


if __name__ == "__main__":
    write_events(Path(sys.argv[1]))

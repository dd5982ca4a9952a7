"""Small rating logs whose users are in two camps, each with items of its own."""

import datetime
from collections.abc import Iterable
from pathlib import Path

import numpy as np

HEADER = "user_id,item_id,rating,timestamp"
SPAN_RATINGS = 1500
FIRST_DAY = datetime.date(2026, 11, 15)


def own_ratings() -> str:
    """Returns a CSV file of 240 users with 12 ratings each."""
    rows = [HEADER]
    for user in range(240):
        for turn in range(12):
            item = 2 * ((user + 3 * turn) % 20) + user % 2
            rows.append(f"u{user},i{item},{4 + turn % 2},{1_600_000_000 + turn}")
    return "\n".join(rows) + "\n"


def write_log(path: Path, shift: int = 0) -> None:
    """Writes a CSV file of 120 users with 14 ratings each.

    Args:
        path: The file.
        shift: Another shift gives each user other items, and so another data set.
    """
    rows = [HEADER]
    for user in range(120):
        for turn in range(14):
            item = 2 * ((user + 3 * turn + shift) % 20) + user % 2
            time = 1_600_000_000 + turn * 1000 + user
            rows.append(f"u{user},i{item},{5 - (user + turn) % 4},{time}")
    path.write_text("\n".join(rows) + "\n")


def write_span(
    folder: Path,
    day: int,
    stars: int | None = None,
    rows: Iterable[str] = (),
    whole: bool = True,
) -> list[str]:
    """Writes one day's ratings: users like the items of their own parity.

    Args:
        folder: The folder of the spans.
        day: Days since ``FIRST_DAY``, which names the span.
        stars: The rating of every row, if they are to be equal.
        rows: More rows.
        whole: Whether the span is marked as complete.

    Returns:
        The rows that were written, without ``rows``.
    """
    num_users, num_items = 150, 60
    random = np.random.default_rng(day)
    user, item = (
        random.integers(count, size=SPAN_RATINGS) for count in (num_users, num_items)
    )
    own = random.random(SPAN_RATINGS) < 0.8
    item = np.where(own, item - item % 2 + user % 2, item)
    liked = random.choice([4, 5], SPAN_RATINGS)
    other = random.choice([1, 2, 3], SPAN_RATINGS)
    star = np.where(item % 2 == user % 2, liked, other)
    if stars:
        star[:] = stars
    date = FIRST_DAY + datetime.timedelta(days=day)
    midnight = 86_400 * (date.toordinal() - 719_163)
    time = random.integers(86_400, size=SPAN_RATINGS) + midnight
    columns = zip(user, item, star, time, strict=True)
    lines = [f"u{u},i{i},{s},{t}" for u, i, s, t in columns]
    span = Path(folder, date.isoformat())
    span.mkdir(parents=True)
    (span / "ratings.csv").write_text("\n".join([HEADER, *lines, *rows]) + "\n")
    if whole:
        (span / "_SUCCESS").touch()
    return lines

"""Generates a log of ratings in the file formats of MovieLens 1M.

People with planted tastes watch invented films one after another. The chance that
user ``u`` watches item ``i`` next, at time ``t``, is proportional to::

    (taste[u, t] + momentum * cluster[last]) . appeal_to[i]   films that suit the mood
    * popularity[i] * freshness[i, t]                         Zipf; 0 before release
    * sequel[u, i]                                            the next part of a series
    * (1 if i is unseen else 0)

and the stars follow the same taste, the item's quality, the user's leniency and noise.
So popularity, collaborative filtering, and models of side features, of time and of
sequences all have something to learn.
"""

from pathlib import Path

import numpy as np

from components import content_hash
from pipeline.datasets.sample_films import NUM_ITEMS, make_items
from pipeline.datasets.sample_log import make_ratings
from pipeline.datasets.sample_users import NUM_RATINGS, NUM_USERS, make_users

VERSION = 1
"""Incremented whenever the bytes that ``write_sample`` writes change."""

FILES = ("README", "movies.dat", "ratings.dat", "users.dat")
CHECKSUMS = "checksums.txt"  # lines as md5sum writes them, as in MovieLens 25M

README = """\
This log of ratings is GENERATED. No person rated anything here, no film in it exists,
and nothing in it comes from MovieLens or GroupLens: only the file formats are those of
MovieLens 1M (fields separated by "::", text in Latin-1).

ratings.dat  UserID::MovieID::Rating::Timestamp      whole stars 1-5, seconds UTC
users.dat    UserID::Gender::Age::Occupation::Zip    MovieLens 1M's codes
movies.dat   MovieID::Title (Year)::Genre|Genre      titles in Latin-1

Made by Marquee, pipeline/datasets/sample.py, version {version}: {users} users,
{items} items, {ratings} ratings. The same bytes every time.
"""


def write_sample(folder: Path) -> None:
    """Writes the log to an existing folder: ``FILES`` and their checksums."""
    random = np.random.Generator(np.random.PCG64(20_261_122))
    items = make_items(random)
    users = make_users(random)
    user, item, stars, timestamp = make_ratings(random, users, items)

    columns = (user + 1, items.id[item], stars, timestamp)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    _write(folder / "ratings.dat", ["::".join(map(str, row)) for row in rows])
    _write(folder / "users.dat", users.lines)
    _write(folder / "movies.dat", items.lines)
    readme = README.format(
        version=VERSION, users=NUM_USERS, items=NUM_ITEMS, ratings=NUM_RATINGS
    )
    (folder / "README").write_bytes(readme.encode("latin-1"))
    _write(folder / CHECKSUMS, _checksums(folder))


def is_whole(folder: Path) -> bool:
    """Returns whether a folder has exactly the bytes that ``write_sample`` writes."""
    try:
        lines = (folder / CHECKSUMS).read_text("latin-1").splitlines()
        return lines == _checksums(folder)
    except OSError:
        return False


def _checksums(folder: Path) -> list[str]:
    return [f"{content_hash.of_file(folder / name, 'md5')}  {name}" for name in FILES]


def _write(path: Path, lines: list[str]) -> None:
    path.write_bytes(("\n".join(lines) + "\n").encode("latin-1"))

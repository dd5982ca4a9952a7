"""A generated log of ratings in MovieLens 1M's own file formats.

People with planted tastes watch invented films one after another. The chance that
user ``u`` watches item ``i`` next, at time ``t``, is proportional to::

    (taste[u, t] + momentum * cluster[last]) . appeal_to[i]   which films suit the mood
    * popularity[i] * freshness[i, t]                         Zipf; 0 before release
    * sequel[u, i]                                            the next part of a series
    * (1 if i is unseen else 0)

and the stars follow the same taste, the item's quality, the user's leniency and noise.
So there is something to find for popularity, for collaborative filtering, for models
that use side features, for models of time and for models of sequences.

Only ``Generator.random`` of PCG64 is drawn from, whose stream numpy keeps the same
between versions; everything else is the inverse of a distribution function.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components import content_hash

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VERSION = 1
"""Raised whenever the bytes that ``write_sample`` makes change."""

FILES = ("README", "movies.dat", "ratings.dat", "users.dat")
CHECKSUMS = "checksums.txt"  # lines as md5sum writes them, as in MovieLens 25M

NUM_USERS = 1_000
NUM_ITEMS = 800
NUM_RATINGS = 80_000
MIN_USER_RATINGS = 20  # as in MovieLens 1M
MAX_USER_RATINGS = 280

START = 1_546_300_800  # 2019-01-01T00:00:00Z
DAYS = 3 * 365
DAY = 86_400
PERIOD_DAYS = 7  # items grow old in steps of a week

# Tuned so that personalised models and popularity are wide apart, but not absurdly, as
# the tests measure: what a film that does not fit still appeals, how much of a
# taste changes in a lifetime, the pull of the last film's cluster, and that of the next
# part of a series watched one, two or three films ago.
BASE_APPEAL = 0.0005
HIT_APPEAL = 0.01
DRIFT = 0.1
MOMENTUM = 0.1
SEQUEL_BOOSTS = (80.0, 40.0, 20.0)
BASE_SCORE = 2.5  # stars of a film that fits not at all; about 3.6 over the log
TASTE_SCORE = 1.9  # further stars of one that fits perfectly


class _Cluster(NamedTuple):
    """People of one taste, and the films made for them."""

    share: float  # of the people and of the films
    genres: str  # the first is in every film of the cluster
    women: float
    age: int  # index into AGES, the most frequent
    occupations: tuple[int, ...]  # frequent ones, MovieLens 1M's codes
    nouns: str  # of its titles


CLUSTERS = (
    _Cluster(0.17, "Action Adventure Thriller War", 0.14, 2, (17, 14, 18),
             "Strike Vengeance Convoy"),
    _Cluster(0.14, "Comedy Romance", 0.58, 2, (3, 14, 5),
             "Wedding Neighbors Honeymoon"),
    _Cluster(0.13, "Drama Romance", 0.62, 4, (1, 6, 20),
             "Autumn Letters Promise"),
    _Cluster(0.12, "Sci-Fi Action Adventure", 0.15, 1, (12, 4, 17),
             "Orbit Colony Signal"),
    _Cluster(0.10, "Horror Thriller Mystery", 0.30, 1, (4, 19, 5),
             "Cellar Whisper Hollow"),
    _Cluster(0.08, "Children's Animation Musical", 0.55, 0, (10, 9, 4),
             "Kitten Circus Lantern"),
    _Cluster(0.08, "Crime Film-Noir Mystery", 0.25, 5, (11, 7, 13),
             "Alibi Shadow Witness"),
    _Cluster(0.07, "Fantasy Children's Adventure", 0.45, 1, (4, 10, 2),
             "Dragon Kingdom Amulet"),
    _Cluster(0.06, "Documentary Drama War", 0.40, 4, (15, 1, 2),
             "River Century Archive"),
    _Cluster(0.05, "Western War Drama", 0.12, 6, (13, 8, 18),
             "Canyon Saddle Frontier"),
)  # fmt: skip
NUM_CLUSTERS = len(CLUSTERS)
CLUSTER_SHARES = tuple(cluster.share for cluster in CLUSTERS)

AGES = (1, 18, 25, 35, 45, 50, 56)  # MovieLens 1M's codes of age ranges
NUM_OCCUPATIONS = 21

FIRST_WORDS = (
    "Crimson",
    "Silent",
    "Golden",
    "Broken",
    "Distant",
    "Hidden",
    "Midnight",
    "Burning",
    "Frozen",
    "Lonely",
    "Wandering",
    "Paper",
    "Velvet",
    "Electric",
    "Hollow",
    "Gentle",
    "Savage",
    "Forgotten",
    "Second",
    "Last",
    "Secret",
    "Winter",
    "Summer",
    "Northern",
    "Scarlet",
    "Borrowed",
    "Restless",
    "Invisible",
    "Painted",
    "Iron",
)
ACCENTED_TITLES = (  # all within Latin-1, as in MovieLens 1M's own movies.dat
    "Café de Minuit, Le",
    "Été sans Étoiles, Un",
    "Señorita Tormenta",
    "Corazón de Niebla",
    "Mädchen am Fluß, Das",
    "Über den Dächern",
    "Forêt Oubliée, La",
    "São João à Noite",
    "Ångström & Sjöberg",
    "Garçon Très Sérieux, Un",
    "Mañana Quizás",
    "Brücke nach Köln, Die",
)
PARTS = ("", " II", " III", " IV")

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


@dataclass(frozen=True)
class _Items:
    """Arrays ``[items, ...]``; `release` in days after START, below 0 = long before."""

    id: Ints
    lines: list[str]
    cluster: Ints
    next_part: Ints
    release: Floats
    popularity: Floats
    appeal: Floats
    quality: Floats


@dataclass(frozen=True)
class _Users:
    """Arrays ``[users, ...]``; tastes ``[users, clusters]`` sum to 1."""

    lines: list[str]
    early_taste: Floats
    late_taste: Floats
    count: Ints
    leniency: Floats


def write_sample(folder: Path) -> None:
    """Write the log into an existing folder: `FILES`, and their checksums."""
    random = np.random.Generator(np.random.PCG64(20_261_122))
    items = _make_items(random)
    users = _make_users(random)
    user, item, stars, timestamp = _make_ratings(random, users, items)

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
    """True when the folder holds every byte that `write_sample` wrote into it."""
    try:
        lines = (folder / CHECKSUMS).read_text("latin-1").splitlines()
        return lines == _checksums(folder)
    except OSError:
        return False


def _checksums(folder: Path) -> list[str]:
    return [f"{content_hash.of_file(folder / name, 'md5')}  {name}" for name in FILES]


def _write(path: Path, lines: list[str]) -> None:
    path.write_bytes(("\n".join(lines) + "\n").encode("latin-1"))


def _choose(random: np.random.Generator, weights: Floats) -> Ints:
    """Index drawn from each row of unnormalised weights ``[N, C]``. ``[N]``."""
    cumulative = weights.cumsum(axis=1)
    threshold = random.random(len(weights)) * cumulative[:, -1]
    chosen: Ints = (cumulative > threshold[:, None]).argmax(axis=1)
    return chosen


def _normal(random: np.random.Generator, size: int) -> Floats:
    """Standard normal numbers ``[size]``, by Box and Muller's transform."""
    radius = np.sqrt(-2.0 * np.log1p(-random.random(size)))
    normal: Floats = radius * np.cos(2.0 * np.pi * random.random(size))
    return normal


def _make_items(random: np.random.Generator) -> _Items:
    n = NUM_ITEMS
    cluster = _choose(random, np.tile(CLUSTER_SHARES, (n, 1)))
    next_part, part, opener = _make_series(random, cluster)

    # Most of the catalogue is there from the start, the rest comes out by and by. Parts
    # of a series come out in order: at least 45 days, before the log 2 years, apart.
    release = np.where(random.random(n) < 0.6, -1.0, 0.97 * DAYS * random.random(n))
    age_years = 2.0 + 45.0 * random.random(n) ** 2.2
    for i in np.lexsort((part, opener)):
        if (later := next_part[i]) >= 0:
            age_years[later] = max(min(age_years[later], age_years[i] - 2.0), 0.0)
            if release[i] >= 0:
                release[later] = max(release[later], release[i] + 45.0)
    year = np.where(release < 0, 2018 - age_years, 2019 + release // 365)

    # Zipf, shifted so that the head is not one single film; the parts of a series are
    # about as popular as its opener.
    rank = random.random(n).argsort(kind="stable").argsort(kind="stable")
    popularity = 1.0 / (rank[opener] + 32.0 + 12.0 * part) ** 1.3

    # It appeals to its own cluster; hits appeal to everybody a bit.
    appeal = np.full((n, NUM_CLUSTERS), BASE_APPEAL)
    appeal[rank < 25] += HIT_APPEAL
    appeal[np.arange(n), cluster] = 1.0
    quality = 0.35 * _normal(random, n)[opener] + 0.2 * _normal(random, n)

    # Numbered in the order in which they came in, some numbers missing, as MovieLens's.
    arrival = np.lexsort((random.random(n), np.maximum(release, -1.0)))
    item_id = np.empty(n, dtype=np.int64)
    item_id[arrival] = 1 + np.arange(n) + (random.random(n) < 0.05).cumsum()
    has_genre = random.random((n, 3)) < 0.45
    title = _make_titles(random, cluster, opener, part)
    lines = []
    for i in arrival:
        first, *others = CLUSTERS[cluster[i]].genres.split()
        also = [g for g, has in zip(others, has_genre[i], strict=False) if has]
        text = "|".join(sorted([first, *also]))
        lines.append(f"{item_id[i]}::{title[i]} ({int(year[i])})::{text}")
    return _Items(
        item_id, lines, cluster, next_part, release, popularity, appeal, quality
    )


def _make_series(random: np.random.Generator, cluster: Ints) -> tuple[Ints, Ints, Ints]:
    """Films of one cluster made into series of one to four parts.

    Returns ``[items]`` each: the item that is the next part (-1: none), the number of
    the part from 0, the item that opens the series (itself when it stands alone).
    """
    n = len(cluster)
    next_part = np.full(n, -1, dtype=np.int64)
    part = np.zeros(n, dtype=np.int64)
    opener = np.arange(n)
    length = 1 + _choose(random, np.tile((0.65, 0.10, 0.15, 0.10), (n, 1)))
    for members in (np.flatnonzero(cluster == c) for c in range(NUM_CLUSTERS)):
        at = 0
        while at < len(members):
            series = members[at : at + length[members[at]]]
            next_part[series[:-1]] = series[1:]
            part[series] = np.arange(len(series))
            opener[series] = series[0]
            at += len(series)
    return next_part, part, opener


def _make_titles(
    random: np.random.Generator, cluster: Ints, opener: Ints, part: Ints
) -> list[str]:
    shuffled = random.random((NUM_CLUSTERS, len(FIRST_WORDS) * 6)).argsort(
        axis=1, kind="stable"
    )
    used = [0] * NUM_CLUSTERS
    accented = iter(ACCENTED_TITLES)
    titles: list[str] = []
    for i in range(NUM_ITEMS):
        if opener[i] != i:
            name, comma, article = titles[opener[i]].partition(", ")
            titles.append(f"{name}{PARTS[part[i]]}{comma}{article}")
            continue
        c = cluster[i]
        pick = int(shuffled[c, used[c]])
        used[c] += 1
        first = FIRST_WORDS[pick % len(FIRST_WORDS)]
        form = pick // len(FIRST_WORDS)
        noun = CLUSTERS[c].nouns.split()[form % 3]
        title = f"{first} {noun}" + (", The" if form < 3 else "")
        titles.append(next(accented, title) if used[c] % 7 == 3 else title)
    return titles


def _make_users(random: np.random.Generator) -> _Users:
    n = NUM_USERS
    main = _choose(random, np.tile(CLUSTER_SHARES, (n, 1)))

    def tastes() -> Floats:
        """Few clusters each, ``[n, clusters]``, the user's main one in front."""
        mixture = random.random((n, NUM_CLUSTERS)) ** 40
        mixture /= mixture.sum(axis=1, keepdims=True)
        lead = 0.3 + 0.3 * random.random(n)
        mixture *= (1 - lead)[:, None]
        mixture[np.arange(n), main] += lead
        return mixture

    early = tastes()
    late = (1 - DRIFT) * early + DRIFT * tastes()

    women = np.array([cluster.women for cluster in CLUSTERS])[main]
    typical_age = np.array([cluster.age for cluster in CLUSTERS])[main]
    age_distance = np.abs(np.arange(len(AGES)) - typical_age[:, None])
    age = _choose(random, np.exp(-0.9 * age_distance) + 0.03)
    occupation_weights = np.full((n, NUM_OCCUPATIONS), 0.25)
    for c, cluster in enumerate(CLUSTERS):
        occupation_weights[np.ix_(main == c, cluster.occupations)] = 2.5
    occupation_weights[age > 0, 10] = 0.0  # K-12 students are under 18
    occupation_weights[age < 6, 13] *= 0.1  # the retired are mostly 56 and more
    occupation_weights[age == 0, 11:13] = 0.0
    occupation = _choose(random, occupation_weights)
    gender = np.where(random.random(n) < women, "F", "M")
    # The first digit of a zip code is a region; tastes gather in regions a little.
    anywhere = (random.random(n) * 10).astype(np.int64)
    region = np.where(random.random(n) < 0.35, main, anywhere)
    zip_code = region * 10_000 + (random.random(n) ** 2 * 60).astype(int) * 151 + 3
    lines = [
        f"{u + 1}::{gender[u]}::{AGES[age[u]]}::{occupation[u]}::{zip_code[u]:05d}"
        for u in range(n)
    ]
    leniency = 0.3 * _normal(random, n)
    return _Users(lines, early, late, _make_counts(random), leniency)


def _make_counts(random: np.random.Generator) -> Ints:
    """Number of ratings of each user: log-normal, ``NUM_RATINGS`` in all."""
    spread = np.exp(0.6 * _normal(random, NUM_USERS))
    low, high = 0.0, 1_000.0
    for _ in range(60):  # bisect the scale that gives the wanted total
        scale = (low + high) / 2
        count = np.minimum(MIN_USER_RATINGS + scale * spread, MAX_USER_RATINGS)
        low, high = (scale, high) if count.sum() < NUM_RATINGS else (low, scale)
    whole: Ints = count.astype(np.int64)
    whole[(whole - count).argsort(kind="stable")[: NUM_RATINGS - whole.sum()]] += 1
    return whole


def _make_times(random: np.random.Generator, count: Ints) -> Ints:
    """Strictly rising seconds UTC of each user's ratings ``[users, most ratings]``.

    People rate in sittings of about eight films, minutes apart; sittings are spread
    over the days between joining and leaving.
    """
    shape = (len(count), int(count.max()))
    within = 20 + (random.random(shape) * 220).astype(np.int64)
    pause = -np.log1p(-random.random(shape)) * (random.random(shape) < 1 / 8)
    pause[:, 0] = 0.0
    inside = np.arange(shape[1]) < count[:, None]
    pause *= inside
    joined = 0.8 * DAYS * random.random(len(count))
    stays = (DAYS - 2 - joined) * (0.1 + 0.9 * random.random(len(count)))
    share = pause.cumsum(axis=1) / np.maximum(pause.sum(axis=1, keepdims=True), 1.0)
    seconds = (DAY * (joined[:, None] + share * stays[:, None])).astype(np.int64)
    timestamp: Ints = START + seconds + within.cumsum(axis=1)
    return timestamp


def _make_ratings(
    random: np.random.Generator, users: _Users, items: _Items
) -> tuple[Ints, Ints, Ints, Ints]:
    """Who watched what, with how many stars, when; grouped by user. ``[ratings]``."""
    # Busiest users first, so that those still active are always a leading slice.
    busiest = (-users.count).argsort(kind="stable")
    count = users.count[busiest]
    timestamp = _make_times(random, count)

    def taste_at(row: Ints, step: Ints | int) -> Floats:
        progress = (step / count[row])[:, None]
        early, late = users.early_taste[busiest[row]], users.late_taste[busiest[row]]
        mixture: Floats = early * (1 - progress) + late * progress
        return mixture

    # Films are there from their release and fade; old ones neither gain nor lose.
    period = (timestamp - START) // (DAY * PERIOD_DAYS)
    age = np.arange(period.max() + 1)[:, None] * PERIOD_DAYS - items.release
    freshness = 0.25 + 3.0 * np.exp(-np.maximum(age, 0.0) / 90.0)
    freshness[:, items.release < 0] = 0.5
    freshness[age < 0] = 0.0
    pull = freshness * items.popularity  # [periods, items]

    watched = np.full(timestamp.shape, -1, dtype=np.int64)
    unseen = np.ones((len(count), NUM_ITEMS))
    appeal_to = items.appeal.T.copy()  # [clusters, items]
    for step in range(timestamp.shape[1]):
        active = np.arange((count > step).sum())
        mood = taste_at(active, step)
        if step:
            mood[active, items.cluster[watched[active, step - 1]]] += MOMENTUM
        weights = mood @ appeal_to  # [active, items]
        weights *= pull[period[active, step]]
        weights *= unseen[: len(active)]
        for back, boost in enumerate(SEQUEL_BOOSTS[:step], start=1):
            sequel = items.next_part[watched[active, step - back]]
            weights[active[sequel >= 0], sequel[sequel >= 0]] *= boost
        watched[active, step] = _choose(random, weights)
        unseen[active, watched[active, step]] = 0.0

    row, step_of = np.nonzero(watched >= 0)
    user, item = busiest[row], watched[row, step_of]
    match = (taste_at(row, step_of) * items.appeal[item]).sum(axis=1)
    noise = 0.6 * _normal(random, len(row))
    score = BASE_SCORE + TASTE_SCORE * np.sqrt(match)
    score += items.quality[item] + users.leniency[user] + noise
    stars = np.clip(np.rint(score), 1, 5).astype(np.int64)

    # As in MovieLens 1M: users in order of their number, each one's lines shuffled.
    order = np.lexsort((random.random(len(row)), user))
    return user[order], item[order], stars[order], timestamp[row, step_of][order]

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

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VERSION = 1
"""Raised whenever the bytes that ``write_sample`` makes change."""

NUM_USERS = 1_000
NUM_ITEMS = 800
NUM_RATINGS = 80_000
MIN_USER_RATINGS = 20  # as in MovieLens 1M
MAX_USER_RATINGS = 320

START = 1_546_300_800  # 2019-01-01T00:00:00Z
DAYS = 3 * 365
DAY = 86_400
PERIOD_DAYS = 7  # items grow old in steps of a week

# One taste cluster a row: its genres (the first is in every film of the cluster), the
# share of women among its people, their typical age bucket (index into AGES), their
# typical occupations, and the nouns of its titles.
CLUSTERS: tuple[tuple[str, float, int, tuple[int, ...], str], ...] = (
    ("Action Adventure Thriller War", 0.14, 2, (17, 14, 18), "Strike Vengeance Convoy"),
    ("Comedy Romance", 0.58, 2, (3, 14, 5), "Wedding Neighbors Honeymoon"),
    ("Drama Romance", 0.62, 4, (1, 6, 20), "Autumn Letters Promise"),
    ("Sci-Fi Action Adventure", 0.15, 1, (12, 4, 17), "Orbit Colony Signal"),
    ("Horror Thriller Mystery", 0.30, 1, (4, 19, 5), "Cellar Whisper Hollow"),
    ("Children's Animation Musical", 0.55, 0, (10, 9, 4), "Kitten Circus Lantern"),
    ("Crime Film-Noir Mystery", 0.25, 5, (11, 7, 13), "Alibi Shadow Witness"),
    ("Western War Drama", 0.12, 6, (13, 8, 18), "Canyon Saddle Frontier"),
    ("Documentary Drama War", 0.40, 4, (15, 1, 2), "River Century Archive"),
    ("Fantasy Children's Adventure", 0.45, 1, (4, 10, 2), "Dragon Kingdom Amulet"),
)
NUM_CLUSTERS = len(CLUSTERS)
CLUSTER_SHARES = (0.17, 0.14, 0.13, 0.12, 0.10, 0.08, 0.08, 0.05, 0.06, 0.07)

AGES = (1, 18, 25, 35, 45, 50, 56)  # MovieLens 1M's codes of age ranges
NUM_OCCUPATIONS = 21

FIRST_WORDS = (
    "Crimson Silent Golden Broken Distant Hidden Midnight Burning Frozen Lonely "
    "Wandering Paper Velvet Electric Hollow Gentle Savage Forgotten Second Last Secret "
    "Winter Summer Northern Scarlet Borrowed Restless Invisible Painted Iron"
).split()
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
    "Mañana, Quizás",
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


def write_sample(folder: Path) -> None:
    """Write ratings.dat, users.dat, movies.dat and README into an existing folder."""
    random = np.random.Generator(np.random.PCG64(20_261_122))
    items = _make_items(random)
    users = _make_users(random)
    user, item, stars, timestamp = _make_ratings(random, users, items)

    ids = items["id"]
    _write(
        folder / "ratings.dat",
        [
            f"{u}::{i}::{r}::{t}"
            for u, i, r, t in zip(
                (user + 1).tolist(),
                ids[item].tolist(),
                stars.tolist(),
                timestamp.tolist(),
                strict=True,
            )
        ],
    )
    _write(folder / "users.dat", users["lines"])
    _write(folder / "movies.dat", items["lines"])
    readme = README.format(
        version=VERSION, users=NUM_USERS, items=NUM_ITEMS, ratings=NUM_RATINGS
    )
    (folder / "README").write_bytes(readme.encode("latin-1"))


def _write(path: Path, lines: list[str]) -> None:
    path.write_bytes(("\n".join(lines) + "\n").encode("latin-1"))


def _choose(random: np.random.Generator, weights: Floats) -> Ints:
    """Index drawn from each row of unnormalised weights ``[N, C]``. ``[N]``."""
    cumulative = weights.cumsum(axis=1)
    threshold = random.random(len(weights)) * cumulative[:, -1]
    return (cumulative > threshold[:, None]).argmax(axis=1)


def _normal(random: np.random.Generator, size: int) -> Floats:
    """Standard normal numbers ``[size]``, by Box and Muller's transform."""
    radius = np.sqrt(-2.0 * np.log1p(-random.random(size)))
    return radius * np.cos(2.0 * np.pi * random.random(size))


def _make_items(random: np.random.Generator) -> dict[str, Any]:
    n = NUM_ITEMS
    cluster = _choose(random, np.tile(CLUSTER_SHARES, (n, 1)))

    # Series: films of one cluster in parts. `part` 0 opens a series (or stands alone).
    next_part = np.full(n, -1, dtype=np.int64)
    part = np.zeros(n, dtype=np.int64)
    opener = np.arange(n)
    length = 1 + _choose(random, np.tile((0.80, 0.08, 0.08, 0.04), (n, 1)))
    for members in (np.flatnonzero(cluster == c) for c in range(NUM_CLUSTERS)):
        at = 0
        while at < len(members):
            series = members[at : at + length[members[at]]]
            next_part[series[:-1]] = series[1:]
            part[series] = np.arange(len(series))
            opener[series] = series[0]
            at += len(series)

    # Release day: most of the catalogue is there from the start, the rest comes out.
    release = np.where(random.random(n) < 0.6, -1.0, random.random(n)) * 0.97 * DAYS
    age_years = 45.0 * random.random(n) ** 2.2
    order = np.lexsort((part, opener))
    for i in order:  # parts of a series come out in order, half a year apart
        if next_part[i] >= 0:
            later = next_part[i]
            if release[i] >= 0:
                release[later] = max(release[later], release[i] + 45)
            age_years[later] = min(age_years[later], max(age_years[i] - 2, 0.3))
    year = np.where(release < 0, 2018 - age_years.astype(int), 2019 + release // 365)

    # Zipf-like popularity, shifted so that the head is not one single film; the parts
    # of a series are about as popular as its first.
    rank = random.random(n).argsort(kind="stable").argsort(kind="stable")
    popularity = 1.0 / (rank[opener] + 12.0 + 15.0 * part) ** 0.9

    # Whom it appeals to: its cluster, somewhat a second one, hits to everybody a bit.
    second = _choose(random, np.tile(CLUSTER_SHARES, (n, 1)))
    appeal = np.full((n, NUM_CLUSTERS), 0.035)
    appeal[np.arange(n), second] += 0.2
    appeal[np.arange(n), cluster] = 1.0
    appeal[rank < 25] += 0.1

    lines = []
    ids = 1 + np.arange(n) + (random.random(n) < 0.05).cumsum()  # some numbers missing
    extra_genre = random.random((n, 3))
    title = _titles(random, cluster, opener, part)
    catalogue = np.lexsort((np.arange(n), np.maximum(release, -1)))
    item_id = np.empty(n, dtype=np.int64)
    item_id[catalogue] = ids
    for i in catalogue:
        genres = CLUSTERS[cluster[i]][0].split()
        chosen = {genres[0]}
        chosen.update(g for g, r in zip(genres[1:], extra_genre[i]) if r < 0.45)
        if extra_genre[i, 2] > 0.7:
            chosen.add(CLUSTERS[second[i]][0].split()[0])
        text = "|".join(sorted(chosen))
        lines.append(f"{item_id[i]}::{title[i]} ({int(year[i])})::{text}")

    return {
        "id": item_id,
        "lines": lines,
        "cluster": cluster,
        "next_part": next_part,
        "release": release,
        "popularity": popularity,
        "appeal": appeal,
        "quality": 0.40 * _normal(random, n)[opener] + 0.2 * _normal(random, n),
    }


def _titles(
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
            titles.append(titles[opener[i]] + PARTS[part[i]])
            continue
        c = cluster[i]
        pick = int(shuffled[c, used[c]])
        used[c] += 1
        first = FIRST_WORDS[pick % len(FIRST_WORDS)]
        form = pick // len(FIRST_WORDS)
        noun = CLUSTERS[c][4].split()[form % 3]
        title = f"{first} {noun}" + (", The" if form < 3 else "")
        titles.append(next(accented, title) if used[c] % 7 == 3 else title)
    return titles


def _make_users(random: np.random.Generator) -> dict[str, Any]:
    n = NUM_USERS
    main = _choose(random, np.tile(CLUSTER_SHARES, (n, 1)))

    def tastes() -> Floats:
        """Mixture of clusters ``[n, clusters]``, led by the user's main one."""
        mixture = random.random((n, NUM_CLUSTERS)) ** 6
        mixture /= mixture.sum(axis=1, keepdims=True)
        lead = 0.45 + 0.4 * random.random(n)
        mixture *= (1 - lead)[:, None]
        mixture[np.arange(n), main] += lead
        return mixture

    early = tastes()
    late = 0.6 * early + 0.4 * tastes()[:, random.random(NUM_CLUSTERS).argsort()]

    women = np.array([c[1] for c in CLUSTERS])[main]
    typical_age = np.array([c[2] for c in CLUSTERS])[main]
    age_distance = np.abs(np.arange(len(AGES)) - typical_age[:, None])
    age = _choose(random, np.exp(-0.9 * age_distance) + 0.03)
    occupation_weights = np.full((n, NUM_OCCUPATIONS), 0.25)
    for c in range(NUM_CLUSTERS):
        for occupation in CLUSTERS[c][3]:
            occupation_weights[main == c, occupation] = 2.5
    occupation_weights[age > 0, 10] = 0.0  # K-12 students are under 18
    occupation_weights[age < 6, 13] *= 0.1  # the retired are mostly 56 and more
    occupation_weights[age == 0, 11:13] = 0.0
    occupation = _choose(random, occupation_weights)
    gender = np.where(random.random(n) < women, "F", "M")
    # The first digit of a zip code is a region; tastes gather in regions a little.
    region = np.where(random.random(n) < 0.35, main, (random.random(n) * 10).astype(int))
    zip_code = region * 10_000 + (random.random(n) ** 2 * 60).astype(int) * 151 + 3
    lines = [
        f"{u + 1}::{gender[u]}::{AGES[age[u]]}::{occupation[u]}::{zip_code[u]:05d}"
        for u in range(n)
    ]
    return {
        "lines": lines,
        "early": early,
        "late": late,
        "count": _activity(random),
        "leniency": 0.35 * _normal(random, n),
    }


def _activity(random: np.random.Generator) -> Ints:
    """Number of ratings of each user: log-normal, ``NUM_RATINGS`` in all."""
    spread = np.exp(1.0 * _normal(random, NUM_USERS))
    low, high = 0.0, 1_000.0
    for _ in range(60):  # bisect the scale that gives the wanted total
        scale = (low + high) / 2
        count = np.minimum(MIN_USER_RATINGS + scale * spread, MAX_USER_RATINGS)
        low, high = (scale, high) if count.sum() < NUM_RATINGS else (low, scale)
    whole: Ints = count.astype(np.int64)
    whole[(whole - count).argsort(kind="stable")[: NUM_RATINGS - whole.sum()]] += 1
    return whole


def _times(random: np.random.Generator, count: Ints) -> Ints:
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
    return START + seconds + within.cumsum(axis=1)


def _make_ratings(
    random: np.random.Generator, users: dict[str, Any], items: dict[str, Any]
) -> tuple[Ints, Ints, Ints, Ints]:
    """Who watched what, with how many stars, when; grouped by user. ``[ratings]``."""
    # Busiest users first, so that those still active are always a leading slice.
    busiest = (-users["count"]).argsort(kind="stable")
    count = users["count"][busiest]
    early, late = users["early"][busiest], users["late"][busiest]
    timestamp = _times(random, count)

    period = (timestamp - START) // (DAY * PERIOD_DAYS)
    age = np.arange(period.max() + 1)[:, None] * PERIOD_DAYS - items["release"]
    fresh = 0.25 + 1.5 * np.exp(-np.maximum(age, 0.0) / 90.0)
    in_catalogue = items["release"] < 0
    fresh[:, in_catalogue] = 0.5
    freshness = np.where(age >= 0, fresh, 0.0) * items["popularity"]  # [periods, items]

    watched = np.full(timestamp.shape, -1, dtype=np.int64)
    unseen = np.ones((len(count), NUM_ITEMS))
    cluster_of = np.eye(NUM_CLUSTERS)[items["cluster"]]
    appeal = np.ascontiguousarray(items["appeal"].T)
    for step in range(timestamp.shape[1]):
        active = int((count > step).sum())
        rows = np.arange(active)
        progress = (step / count[:active])[:, None]
        mood = early[:active] * (1 - progress) + late[:active] * progress
        if step:
            mood = mood + MOMENTUM * cluster_of[watched[:active, step - 1]]
        weights = mood @ appeal
        weights *= freshness[period[:active, step]]
        for back, boost in enumerate(SEQUEL_BOOSTS[:step], start=1):
            sequel = items["next_part"][watched[:active, step - back]]
            weights[rows[sequel >= 0], sequel[sequel >= 0]] *= boost
        weights *= unseen[:active]
        chosen = _choose(random, weights)
        watched[:active, step] = chosen
        unseen[rows, chosen] = 0.0

    row, step = np.nonzero(watched >= 0)
    user, item, when = busiest[row], watched[row, step], timestamp[row, step]
    progress = (step / count[row])[:, None]
    taste = early[row] * (1 - progress) + late[row] * progress
    match = (taste * items["appeal"][item]).sum(axis=1)
    score = (
        2.72
        + 1.9 * np.sqrt(match)
        + items["quality"][item]
        + users["leniency"][user]
        + 0.6 * _normal(random, len(row))
    )
    stars = np.clip(np.rint(score), 1, 5).astype(np.int64)
    # As in MovieLens 1M: users in order of their number, each one's lines shuffled.
    order = np.lexsort((random.random(len(row)), user))
    return user[order], item[order], stars[order], when[order]


MOMENTUM = 0.35
SEQUEL_BOOSTS = (60.0, 25.0, 10.0)

"""The films of the sample: series, releases, popularity, appeal and titles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.sample_clusters import CLUSTER_SHARES, CLUSTERS, NUM_CLUSTERS
from pipeline.datasets.sample_random import Floats, Ints, choose, normal

NUM_ITEMS = 800
DAYS = 3 * 365  # length of the log

# What a film appeals to people of another taste, and a hit to everybody. Tuned, with
# the constants in ``sample_users`` and ``sample_log``, so that personalised models beat
# popularity clearly but not absurdly, as the tests measure.
BASE_APPEAL = 0.0005
HIT_APPEAL = 0.01

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


@dataclass(frozen=True)
class Items:
    """The films, as arrays with one row per film.

    Attributes:
        id: [items] ids in MovieLens's numbering.
        lines: The lines of movies.dat, ordered by id.
        cluster: [items] cluster of taste.
        next_part: [items] next part of the series; -1 if there is none.
        release: [items] day of release within the log; below 0 for older films.
        popularity: [items] weight, independent of tastes.
        appeal: [items, clusters] appeal to each taste.
        quality: [items] stars above or below the average.
    """

    id: Ints
    lines: list[str]
    cluster: Ints
    next_part: Ints
    release: Floats
    popularity: Floats
    appeal: Floats
    quality: Floats


def make_items(random: np.random.Generator) -> Items:
    """Returns all films."""
    n = NUM_ITEMS
    cluster = choose(random, np.tile(CLUSTER_SHARES, (n, 1)))
    next_part, part, opener = _make_series(random, cluster)

    # Most of the catalogue exists from the start, the rest is released over time. Parts
    # of a series come out in order: at least 45 days apart, 2 years before the log.
    release = np.where(random.random(n) < 0.6, -1.0, 0.97 * DAYS * random.random(n))
    age_years = 2.0 + 45.0 * random.random(n) ** 2.2
    for i in np.lexsort((part, opener)):
        if (later := next_part[i]) >= 0:
            age_years[later] = max(min(age_years[later], age_years[i] - 2.0), 0.0)
            if release[i] >= 0:
                release[later] = max(release[later], release[i] + 45.0)
    year = np.where(release < 0, 2018 - age_years, 2019 + release // 365)

    # Zipf, shifted so that the head is more than a single film. The parts of a series
    # are about as popular as the first one.
    rank = random.random(n).argsort(kind="stable").argsort(kind="stable")
    popularity = 1.0 / (rank[opener] + 32.0 + 12.0 * part) ** 1.3

    # A film appeals to its own cluster; hits appeal to everybody a little.
    appeal = np.full((n, NUM_CLUSTERS), BASE_APPEAL)
    appeal[rank < 25] += HIT_APPEAL
    appeal[np.arange(n), cluster] = 1.0
    quality = 0.35 * normal(random, n)[opener] + 0.2 * normal(random, n)

    # Numbered in order of arrival, with some numbers missing, as in MovieLens.
    arrival = np.lexsort((random.random(n), np.maximum(release, -1.0)))
    item_id = np.empty(n, dtype=np.int64)
    item_id[arrival] = 1 + np.arange(n) + (random.random(n) < 0.05).cumsum()
    has_genre = random.random((n, 3)) < 0.45
    title = _make_titles(random, cluster, opener, part)
    lines = [
        f"{item_id[i]}::{title[i]} ({int(year[i])})::"
        + _genres(cluster[i], has_genre[i])
        for i in arrival
    ]
    return Items(
        item_id, lines, cluster, next_part, release, popularity, appeal, quality
    )


def _genres(cluster: int, has_genre: Sequence[bool]) -> str:
    """Returns a film's genres: the first of its cluster, and a draw of the others."""
    first, *others = CLUSTERS[cluster].genres.split()
    also = [name for name, has in zip(others, has_genre, strict=False) if has]
    return "|".join(sorted([first, *also]))


def _make_series(random: np.random.Generator, cluster: Ints) -> tuple[Ints, Ints, Ints]:
    """Groups the films of each cluster into series of one to four parts.

    Returns:
        For each film [items]: the film that is the next part (-1 if there is none), the
        number of the part from 0, and the film that opens the series (itself if it is
        the only one).
    """
    n = len(cluster)
    next_part = np.full(n, -1, dtype=np.int64)
    part = np.zeros(n, dtype=np.int64)
    opener = np.arange(n)
    length = 1 + choose(random, np.tile((0.65, 0.10, 0.15, 0.10), (n, 1)))
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
    """Returns a title per film; the parts of a series share one, with a number."""
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

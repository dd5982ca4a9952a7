"""The people of the sample: their tastes, and how MovieLens describes them."""

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.sample_clusters import CLUSTER_SHARES, CLUSTERS, NUM_CLUSTERS
from pipeline.datasets.sample_random import Floats, Ints, choose, normal

NUM_USERS = 1_000
NUM_RATINGS = 80_000
MIN_USER_RATINGS = 20  # as in MovieLens 1M
MAX_USER_RATINGS = 280
DRIFT = 0.1  # share of a taste that changes in a lifetime; see ``sample_films``

AGES = (1, 18, 25, 35, 45, 50, 56)  # MovieLens 1M's codes of age ranges
NUM_OCCUPATIONS = 21


@dataclass(frozen=True)
class Users:
    """The people, as arrays with one row per person.

    Attributes:
        lines: The lines of users.dat.
        early_taste: [users, clusters] taste at the first rating; each row sums to 1.
        late_taste: [users, clusters] taste at the last rating; each row sums to 1.
        count: [users] number of ratings.
        leniency: [users] stars above or below the average.
    """

    lines: list[str]
    early_taste: Floats
    late_taste: Floats
    count: Ints
    leniency: Floats


def make_users(random: np.random.Generator) -> Users:
    """Returns all people."""
    n = NUM_USERS
    main = choose(random, np.tile(CLUSTER_SHARES, (n, 1)))

    def tastes() -> Floats:
        """Returns mixtures of few clusters [n, clusters], led by the main one."""
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
    age = choose(random, np.exp(-0.9 * age_distance) + 0.03)
    occupation_weights = np.full((n, NUM_OCCUPATIONS), 0.25)
    for c, cluster in enumerate(CLUSTERS):
        occupation_weights[np.ix_(main == c, cluster.occupations)] = 2.5
    occupation_weights[age > 0, 10] = 0.0  # K-12 students are under 18
    occupation_weights[age < 6, 13] *= 0.1  # most retired people are 56 or older
    occupation_weights[age == 0, 11:13] = 0.0
    occupation = choose(random, occupation_weights)
    gender = np.where(random.random(n) < women, "F", "M")
    # The first digit of a zip code is a region; tastes differ a little by region.
    anywhere = (random.random(n) * 10).astype(np.int64)
    region = np.where(random.random(n) < 0.35, main, anywhere)
    zip_code = region * 10_000 + (random.random(n) ** 2 * 60).astype(int) * 151 + 3
    lines = [
        f"{u + 1}::{gender[u]}::{AGES[age[u]]}::{occupation[u]}::{zip_code[u]:05d}"
        for u in range(n)
    ]
    leniency = 0.3 * normal(random, n)
    return Users(lines, early, late, _make_counts(random), leniency)


def _make_counts(random: np.random.Generator) -> Ints:
    """Returns each user's number of ratings: log-normal, ``NUM_RATINGS`` in total."""
    spread = np.exp(0.6 * normal(random, NUM_USERS))
    low, high = 0.0, 1_000.0
    for _ in range(60):  # bisect the scale that gives the total
        scale = (low + high) / 2
        count = np.minimum(MIN_USER_RATINGS + scale * spread, MAX_USER_RATINGS)
        low, high = (scale, high) if count.sum() < NUM_RATINGS else (low, scale)
    whole: Ints = count.astype(np.int64)
    whole[(whole - count).argsort(kind="stable")[: NUM_RATINGS - whole.sum()]] += 1
    return whole

"""The clusters of taste in the sample: people, and the films made for them."""

from typing import NamedTuple


class Cluster(NamedTuple):
    """People of one taste, and the films made for them."""

    share: float  # of the people and of the films
    genres: str  # the first is in every film of the cluster
    women: float
    age: int  # index into AGES, the most frequent
    occupations: tuple[int, ...]  # frequent ones, MovieLens 1M's codes
    nouns: str  # of its titles


CLUSTERS = (
    Cluster(0.17, "Action Adventure Thriller War", 0.14, 2, (17, 14, 18),
             "Strike Vengeance Convoy"),
    Cluster(0.14, "Comedy Romance", 0.58, 2, (3, 14, 5),
             "Wedding Neighbors Honeymoon"),
    Cluster(0.13, "Drama Romance", 0.62, 4, (1, 6, 20),
             "Autumn Letters Promise"),
    Cluster(0.12, "Sci-Fi Action Adventure", 0.15, 1, (12, 4, 17),
             "Orbit Colony Signal"),
    Cluster(0.10, "Horror Thriller Mystery", 0.30, 1, (4, 19, 5),
             "Cellar Whisper Hollow"),
    Cluster(0.08, "Children's Animation Musical", 0.55, 0, (10, 9, 4),
             "Kitten Circus Lantern"),
    Cluster(0.08, "Crime Film-Noir Mystery", 0.25, 5, (11, 7, 13),
             "Alibi Shadow Witness"),
    Cluster(0.07, "Fantasy Children's Adventure", 0.45, 1, (4, 10, 2),
             "Dragon Kingdom Amulet"),
    Cluster(0.06, "Documentary Drama War", 0.40, 4, (15, 1, 2),
             "River Century Archive"),
    Cluster(0.05, "Western War Drama", 0.12, 6, (13, 8, 18),
             "Canyon Saddle Frontier"),
)  # fmt: skip
NUM_CLUSTERS = len(CLUSTERS)
CLUSTER_SHARES = tuple(cluster.share for cluster in CLUSTERS)

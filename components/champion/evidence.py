"""Evidence that a challenger is better than the incumbent, which grows from run to run.

A game of bets (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
variables by betting", Journal of the Royal Statistical Society B 86). For each user in
turn a share of the capital is bet on the challenger, and the capital is multiplied by
``1 + share * difference``; the difference of the two models' gains for the user is
between -1 and 1. While the challenger is not better the capital is not expected to
grow, so the chance that it ever reaches ``1 / alpha`` is at most ``alpha`` (Ville
1939): however many users there are, and however often one looks. Several shares are
played side by side and their capital is averaged, as the best one is not known.

Two such games are averaged: one on the metric that models are compared by, and one on
the whole list, where every user counts and not only those with a hit in ten places.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from components.champion.comparison import check_same
from components.metric_names import AUC, MEAN_RANK_AUC, MRR, NDCG, K
from components.ranking_metrics.users import Users

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.intp]

# From large effects on a hundred users to 1 % of nDCG@10 on a million.
SHARES = 0.9 * 2.0 ** -np.arange(7)
WHOLE_LIST = "whole list"


@dataclasses.dataclass(frozen=True)
class Game:
    """The bets on one measure.

    Attributes:
        total: Sum of the differences that were bet on.
        log_capital: Logarithm of the capital of each of ``SHARES``; it starts at 0.
    """

    # No defaults: a part that is missing in a ledger must not read as zero.
    total: float
    log_capital: tuple[float, ...]

    @classmethod
    def initial(cls) -> "Game":
        """Returns the game before the first bet."""
        return cls(0.0, (0.0,) * len(SHARES))

    def played(self, differences: Floats) -> "Game":
        """Returns the game after bets on more users, each between -1 and 1."""
        grown = np.log1p(SHARES * differences[:, np.newaxis]).sum(0)
        return Game(
            self.total + float(differences.sum()),
            tuple((self.log_capital + grown).tolist()),
        )

    @property
    def log_mean(self) -> float:
        """Logarithm of the average capital."""
        return float(logsumexp(self.log_capital) - math.log(len(SHARES)))


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The evidence for one challenger against one incumbent.

    Attributes:
        share: Share of the accepted error probability that this challenger may use.
        users: Number of users that were bet on; one with new targets counts again.
        by_metric: The game on the metric that models are compared by.
        by_list: The game on the whole list.
    """

    share: float
    users: int
    by_metric: Game
    by_list: Game

    @classmethod
    def initial(cls, share: float) -> "Evidence":
        """Returns the evidence before any user was bet on."""
        return cls(share, 0, Game.initial(), Game.initial())

    def after(self, by_metric: Floats, by_list: Floats) -> "Evidence":
        """Returns the evidence after more users, given both differences of each."""
        return Evidence(
            self.share,
            self.users + len(by_metric),
            self.by_metric.played(by_metric),
            self.by_list.played(by_list),
        )

    @property
    def value(self) -> float:
        """The e-value: the average capital of both games, 1 at the start."""
        log_value = np.logaddexp(self.by_metric.log_mean, self.by_list.log_mean)
        return math.exp(min(float(log_value) - math.log(2), 700.0))

    def required(self, alpha: float) -> float:
        """Returns the value that proves the challenger better."""
        return 1 / (alpha * self.share)

    def proves(self, alpha: float) -> bool:
        """Returns whether the challenger is better, with error probability ``alpha``.

        It must also be ahead in the metric over all users counted: a better list below
        the tenth place alone does not promote a model.
        """
        return self.value >= self.required(alpha) and self.by_metric.total > 0


def differences(
    users: Users, others: Users, metric: str, seen: Hashes
) -> tuple[Floats, Floats]:
    """Compares two models by targets that were not seen before.

    Args:
        users: Measurements of the challenger.
        others: Measurements of the incumbent on the same users.
        metric: The metric that models are compared by.
        seen: Hashes of targets, ascending.

    Returns:
        The differences of the gain in the metric and over the whole list [N] of the N
        users with a liked target that both models ranked and that is not in ``seen``;
        each is a mean over the user's targets.
    """
    check_same(users, others)
    own, theirs = _common(users, others)
    is_new = ~are_in(users.target[own], seen)
    own, theirs = own[is_new], theirs[is_new]
    _, place = np.unique(users.target_user[own], return_inverse=True)
    counts = np.bincount(place)

    def mean_difference(measure: str) -> Floats:
        difference = _gain(users, own, measure) - _gain(others, theirs, measure)
        return np.bincount(place, difference) / counts

    return mean_difference(metric), mean_difference(WHOLE_LIST)


def liked_targets(users: Users) -> Hashes:
    """Returns the hashes of the liked targets that were ranked."""
    _, place = _liked(users)
    return users.target[place]


def are_in(targets: Hashes, seen: Hashes) -> npt.NDArray[np.bool_]:
    """Returns which of the targets are in ``seen``, which is ascending."""
    if not len(seen):
        return np.zeros(len(targets), np.bool_)
    place = np.minimum(np.searchsorted(seen, targets), len(seen) - 1)
    found: npt.NDArray[np.bool_] = seen[place] == targets
    return found


def _common(users: Users, others: Users) -> tuple[Places, Places]:
    """Returns the positions, in both, of the liked targets that both models ranked."""
    (own_key, own), (their_key, theirs) = _liked(users), _liked(others)
    _, first, second = np.intersect1d(own_key, their_key, return_indices=True)
    return own[first], theirs[second]


def _liked(users: Users) -> tuple[npt.NDArray[np.uint64], Places]:
    """Returns a key and the position of each liked target that was ranked."""
    place = np.flatnonzero((users.label == 1) & (users.rank > 0))
    user = users.target_user[place].astype(np.uint64)
    return (user << np.uint64(32)) | users.target[place], place


def _gain(users: Users, target: Places, measure: str) -> Floats:
    """Returns what the ranks of targets are worth, between 0 and 1.

    For a user with one target it is the metric itself. AUC compares targets of all
    users; its counterpart for one user is the share of the list behind the target.
    """
    rank = users.rank[target].astype(np.float64)
    if measure in (MEAN_RANK_AUC, AUC):
        candidates = users.num_candidates[users.target_user[target]]
        return 1 - (rank - 1) / np.maximum(candidates, rank)
    if measure == MRR:
        return 1 / rank
    discount = 1 / np.log2(rank + 1)
    if measure == WHOLE_LIST:
        return discount
    is_found = rank <= K
    return discount * is_found if measure == NDCG else is_found.astype(float)

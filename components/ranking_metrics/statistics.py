"""What is summed over users to get every metric at once; plain numpy.

A user's targets come with their rank among all items that the user has not seen, and
with a label, 1 for those that the user liked. Ranking metrics average over the users
who liked at least one target; label metrics are over all targets.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

K = 10
NUM_SAMPLED = 99  # negatives in the sampled metrics, as most papers print them

RANKING_METRICS = (
    f"hit_rate@{K}",
    f"ndcg@{K}",
    "mrr",
    f"recall@{K}",
    f"precision@{K}",
    "mean_rank_auc",
    f"sampled_hit_rate@{K}",
    f"sampled_ndcg@{K}",
)
LABEL_METRICS = (
    "auc",
    "accuracy",
    "precision",
    "recall",
    "log_loss",
    "calibration",
    "rmse",
)
STANDARD_ERROR = "_standard_error"  # behind the name of a ranking metric
STANDARD_ERRORS = tuple(
    f"{name}{STANDARD_ERROR}" for name in (f"hit_rate@{K}", f"ndcg@{K}")
)
OTHER_METRICS = (
    f"coverage@{K}",
    "score_std",
    "num_users",
    "num_targets",
    *STANDARD_ERRORS,
)
METRICS = RANKING_METRICS + LABEL_METRICS + OTHER_METRICS

_DISCOUNT = 1 / np.log2(np.arange(2, K + 2))  # of the places 1 to K
_IDEAL = np.cumsum(_DISCOUNT)
_CLIP = 1e-7  # keeps the logarithm of a certain mistake finite, as Keras does

Floats = npt.NDArray[np.float64]


def ranking_metrics(
    rank: npt.NDArray[np.int64], num_candidates: int, num_sampled: int = NUM_SAMPLED
) -> Floats:
    """The ``RANKING_METRICS`` of one user.

    Args:
      rank: [P] ranks from 1 of the liked targets among the items not seen; P >= 1.
      num_candidates: how many items the user has not seen.
      num_sampled: negatives in the sampled metrics.

    Returns:
      One number for each, NaN for ``mean_rank_auc`` and the sampled ones where nothing
      but liked targets was left to rank.
    """
    rank = np.sort(rank)
    num_liked = len(rank)
    found = rank[rank <= K]
    ahead = rank - 1 - np.arange(num_liked)  # items ahead that were not liked
    num_others = num_candidates - num_liked
    sampled = expected_gains(ahead, num_others, num_sampled)
    return np.array(
        [
            float(len(found) > 0),
            _DISCOUNT[found - 1].sum() / _IDEAL[min(num_liked, K) - 1],
            1 / rank[0],
            len(found) / num_liked,
            len(found) / K,
            1 - ahead.mean() / num_others if num_others > 0 else math.nan,
            sampled.sum(1).mean() if num_others > 0 else math.nan,
            (sampled @ _DISCOUNT).mean() if num_others > 0 else math.nan,
        ]
    )


def expected_gains(
    ahead: npt.NDArray[np.int64], num_others: int, num_sampled: int
) -> Floats:
    """The chance of each of the first K places among sampled negatives, exactly.

    Of ``num_others`` items ``ahead`` are ranked before the target. A sample of
    ``num_sampled`` of them, without replacement, holds j of those ahead with the
    hypergeometric probability, and then the target is at place j + 1.

    Args:
      ahead: [P].
      num_others: how many items there are to sample from.
      num_sampled: how many are.

    Returns:
      [P, K] probabilities of the places 1 to K.
    """
    n = min(num_sampled, num_others)
    a = np.clip(ahead, 0, num_others)[:, np.newaxis].astype(np.float64)
    j = np.arange(K, dtype=np.float64)[np.newaxis, :]
    behind = num_others - a
    possible = (j <= a) & (n - j <= behind) & (j <= n)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_chance = (
            _log_choose(a, j)
            + _log_choose(behind, n - j)
            - _log_choose(np.float64(num_others), np.float64(n))
        )
    return np.where(possible, np.exp(np.where(possible, log_chance, 0.0)), 0.0)


def _log_choose(n: Floats | np.float64, k: Floats | np.float64) -> Floats:
    chosen: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen


def area_under_curve(score: Floats, label: npt.NDArray[np.int64]) -> float:
    """The chance that a liked target scores above one that was not; ties are a half.

    Mann and Whitney 1947, exactly: no thresholds, any range of scores. NaN without both
    kinds or with a score that is not a number.
    """
    num_liked = int(label.sum())
    num_others = len(label) - num_liked
    if not num_liked or not num_others or np.isnan(score).any():
        return math.nan
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    ranks = mean_rank[place][label == 1].sum()
    return float((ranks - num_liked * (num_liked + 1) / 2) / (num_liked * num_others))


@dataclass
class Statistics:
    """Sums over users; adding is associative, so that workers may split the users.

    What grows with the data are the score and the label of each target, 16 bytes, of
    which the exact AUC is made; and one set of items, bounded by the catalogue.

    Attributes:
      num_sampled: negatives in the sampled metrics; the other fields are sums.
    """

    num_sampled: int = NUM_SAMPLED
    num_users: int = 0
    ranking_sum: Floats = field(default_factory=lambda: np.zeros(len(RANKING_METRICS)))
    ranking_squares: Floats = field(
        default_factory=lambda: np.zeros(len(RANKING_METRICS))
    )
    ranking_users: Floats = field(
        default_factory=lambda: np.zeros(len(RANKING_METRICS))
    )
    scores: list[Floats] = field(default_factory=list)
    labels: list[npt.NDArray[np.int64]] = field(default_factory=list)
    confusion: Floats = field(default_factory=lambda: np.zeros(4))  # TP, FP, TN, FN
    log_loss: float = 0.0
    probability: float = 0.0
    squared_error: float = 0.0
    top_items: set[int] = field(default_factory=set)
    catalogue_size: int = 0

    def add_user(self, outputs: Mapping[str, npt.NDArray[np.number]]) -> None:
        """Adds a user from the ``evaluate`` signature's outputs for that user."""
        is_target = outputs["label"] >= 0
        if not is_target.any():
            return
        rank = outputs["rank"][is_target].astype(np.int64)
        label = outputs["label"][is_target].astype(np.int64)
        probability = outputs["probability"][is_target].astype(np.float64)
        liked = rank[label == 1]
        if rank[0] > 0:  # in the sample of users
            self.num_users += 1
            self.top_items.update(outputs["top_item"].tolist())
            if len(liked):
                self._add_ranks(liked, int(outputs["num_candidates"]))
        said = probability > 0.5
        self.confusion += [
            np.sum(said & (label == 1)),
            np.sum(said & (label == 0)),
            np.sum(~said & (label == 0)),
            np.sum(~said & (label == 1)),
        ]
        clipped = np.clip(probability, _CLIP, 1 - _CLIP)
        self.log_loss -= np.log(np.where(label == 1, clipped, 1 - clipped)).sum()
        self.probability += probability.sum()
        self.squared_error += (
            outputs["error"][is_target].astype(np.float64) ** 2
        ).sum()
        self.scores.append(outputs["score"][is_target].astype(np.float64))
        self.labels.append(label)
        self.catalogue_size = max(self.catalogue_size, int(outputs["catalogue_size"]))

    def _add_ranks(self, rank: npt.NDArray[np.int64], num_candidates: int) -> None:
        metrics = ranking_metrics(rank, num_candidates, self.num_sampled)
        self.ranking_sum += np.nan_to_num(metrics)
        self.ranking_squares += np.nan_to_num(metrics) ** 2
        self.ranking_users += ~np.isnan(metrics)

    def merge(self, other: "Statistics") -> None:
        """Adds another's sums."""
        self.num_users += other.num_users
        self.ranking_sum += other.ranking_sum
        self.ranking_squares += other.ranking_squares
        self.ranking_users += other.ranking_users
        self.scores += other.scores
        self.labels += other.labels
        self.confusion += other.confusion
        self.log_loss += other.log_loss
        self.probability += other.probability
        self.squared_error += other.squared_error
        self.top_items |= other.top_items
        self.catalogue_size = max(self.catalogue_size, other.catalogue_size)

    def compact(self) -> None:
        """Joins the arrays, so that many users are few objects."""
        if len(self.scores) > 1:
            self.scores = [np.concatenate(self.scores)]
            self.labels = [np.concatenate(self.labels)]

    def results(self) -> dict[str, float]:
        """All ``METRICS``; NaN where there was nothing to measure on."""
        self.compact()
        score = self.scores[0] if self.scores else np.zeros(0)
        label = self.labels[0] if self.labels else np.zeros(0, np.int64)
        n, liked = len(label), float(label.sum())
        hits, false_alarms, right_noes, _ = self.confusion
        ranking = [
            _ratio(total, users)
            for total, users in zip(self.ranking_sum, self.ranking_users, strict=True)
        ]
        return dict(zip(RANKING_METRICS, ranking, strict=True)) | {
            "auc": area_under_curve(score, label),
            "accuracy": _ratio(hits + right_noes, n),
            "precision": _ratio(hits, hits + false_alarms),
            "recall": _ratio(hits, liked),
            "log_loss": _ratio(self.log_loss, n),
            "calibration": _ratio(self.probability, liked),
            "rmse": math.sqrt(_ratio(self.squared_error, n)) if n else math.nan,
            f"coverage@{K}": _ratio(len(self.top_items), self.catalogue_size),
            "score_std": float(score.std()) if n else math.nan,
            "num_users": float(self.num_users),
            "num_targets": float(n),
            **{name: self._standard_error(name) for name in STANDARD_ERRORS},
        }

    def _standard_error(self, name: str) -> float:
        """Of a mean over users, as if they were drawn at random from many."""
        place = RANKING_METRICS.index(name.removesuffix(STANDARD_ERROR))
        users = self.ranking_users[place]
        mean = _ratio(self.ranking_sum[place], users)
        variance = _ratio(self.ranking_squares[place], users) - mean**2
        return math.sqrt(max(0.0, variance) / users) if users else math.nan


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan

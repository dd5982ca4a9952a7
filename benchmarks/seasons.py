"""Simulates seasons of nights, which the product's own code decides.

The users of a night are drawn with replacement from real test users, with the ranks
that two real models gave to their targets. For each user, the challenger has the rank
of the better model and the live model that of the other, or vice versa. If both are
equally likely, the challenger is as good as the live model, and they differ as much as
the two real models do. Other probabilities make the challenger better or worse.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from components.champion.decision import LIVE, REFUSED, Bar, decide
from components.champion.gate import Gate
from components.champion.judged import OVERALL, Judged, Slice
from components.champion.ledger import Ledger
from components.ranking_metrics.users import Users

METRIC = "ndcg@10"


@dataclasses.dataclass(frozen=True)
class Pool:
    """Test users with a liked target, which three models have ranked.

    P is the number of these users, and M the number of metrics.

    Attributes:
        share: Share of all test users who have a liked target.
        ranks: Model (``popularity``, ``a`` or ``b``) → ranks of the targets [P].
        values: Model → ranking metrics of the users [P, M].
        metrics: Names of the metrics.
        num_candidates: Number of items that each target was ranked among [P].
    """

    share: float
    ranks: dict[str, npt.NDArray[np.int32]]
    values: dict[str, npt.NDArray[np.float32]]
    metrics: tuple[str, ...]
    num_candidates: npt.NDArray[np.int32]

    @classmethod
    def of(cls, models: dict[str, Users]) -> "Pool":
        """Makes a pool of the users of evaluations, with one target each."""
        [first, *others] = models.values()
        if any((other.target != first.target).any() for other in others):
            raise ValueError("The models were not judged on the same targets.")
        liked = np.flatnonzero(first.label == 1)
        user = first.target_user[liked]
        return cls(
            len(liked) / len(first.user),
            {name: users.rank[liked] for name, users in models.items()},
            {name: users.values[user] for name, users in models.items()},
            first.metrics,
            first.num_candidates[user],
        )

    def mean(self, model: str) -> float:
        """Returns a model's mean of ``METRIC``."""
        column = self.metrics.index(METRIC)
        return float(self.values[model][:, column].mean(dtype=np.float64))

    def chance(self, gain: float) -> float:
        """Returns how often the challenger has the better model's rank for a gain.

        Args:
            gain: Relative gain of the challenger's mean over the live model's.

        Raises:
            ValueError: If the two models do not differ enough.
        """
        one, other = sorted((self.mean("a"), self.mean("b")))
        middle, gap = (one + other) / 2, other - one
        # The challenger's mean is (1 + gain) times the live model's.
        chance = 0.5 + gain / (2 + gain) * middle / gap
        if not 0 <= chance <= 1:
            raise ValueError(f"a gain of {gain:.0%} is more than the models differ by")
        return chance


@dataclasses.dataclass(frozen=True)
class Setting:
    """The true state of affairs in a season.

    Attributes:
        users: Number of test users of each night, with and without a liked target.
        challengers: Number of challengers, which are all alike.
        gain: Relative gain of the challengers in the metric.
        nights: Number of nights.
    """

    users: int
    challengers: int
    gain: float
    nights: int


def season(
    pool: Pool, setting: Setting, gate: Gate, seed: int
) -> tuple[int | None, int]:
    """Plays one season until a challenger is promoted.

    Returns:
        The night of the promotion, counted from 1, or None without one; and the number
        of challengers refused in the first night.
    """
    random = np.random.default_rng([seed, setting.users, setting.challengers])
    ledger, refused = Ledger().opened("life", 1), 0
    for night in range(1, setting.nights + 1):
        live, reference, challengers = _night(pool, setting, night, random)
        verdicts, ledger = decide(
            [reference, *challengers],
            Bar(reference, live, "", needs_live=True),
            gate,
            reference.name,
            ledger,
        )
        if night == 1:
            refused = sum(verdict.verdict == REFUSED for verdict in verdicts)
        if any(verdict.verdict == LIVE for verdict in verdicts):
            return night, refused
    return None, refused


def _night(
    pool: Pool, setting: Setting, night: int, random: np.random.Generator
) -> tuple[Judged, Judged, list[Judged]]:
    """Draws a night's users; returns live model, popularity and challengers."""
    count = random.binomial(setting.users, pool.share)
    drawn = random.integers(len(pool.num_candidates), size=count)
    better, worse = sorted("ab", key=pool.mean, reverse=True)
    chance = pool.chance(setting.gain)
    is_better = random.random([setting.challengers, count]) < chance
    # A single challenger never has the live model's rank. Several are drawn
    # independently of the live model.
    live_is_better = ~is_better[0]
    if setting.challengers > 1:
        live_is_better = random.random(count) < 1 - chance

    def judged(name: str, is_better: npt.NDArray[np.bool_] | None) -> Judged:
        def pick(column: dict[str, Any]) -> npt.NDArray[Any]:
            if is_better is None:
                return np.asarray(column["popularity"][drawn])
            own = is_better.reshape(-1, *[1] * (column[better].ndim - 1))
            return np.where(own, column[better][drawn], column[worse][drawn])

        users = Users(
            user=np.arange(count, dtype=np.uint64),
            metrics=pool.metrics,
            values=pick(pool.values),
            num_candidates=pool.num_candidates[drawn],
            target_user=np.arange(count, dtype=np.int32),
            target=np.arange(count, dtype=np.uint32) + np.uint32(night * setting.users),
            rank=pick(pool.ranks),
            score=np.zeros(count, np.float32),
            label=np.ones(count, np.int8),
        )
        means = users.values.mean(0, dtype=np.float64).tolist()
        metrics = dict(zip(users.metrics, means, strict=True))
        metrics |= {"finite_scores": 1.0, "score_std": 1.0, "coverage@10": 0.5}
        part = Slice(metrics, users)
        return Judged(name, name, f"{name}/{night}", 1, False, {OVERALL: part})

    return (
        judged("live", live_is_better),
        judged("popularity", None),
        [
            judged(f"challenger {n}", drawn_better)
            for n, drawn_better in enumerate(is_better)
        ],
    )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of many seasons.

    Attributes:
        promoted: The night of each promotion.
        seasons: Number of seasons.
        refused: Share of the challengers that were refused in the first night.
    """

    promoted: tuple[int, ...]
    seasons: int
    refused: float

    def by(self, night: int) -> float:
        """Returns the share of seasons with a promotion up to a night."""
        return sum(promotion <= night for promotion in self.promoted) / self.seasons


def play(pool: Pool, setting: Setting, gate: Gate, seasons: int) -> Outcome:
    """Plays many seasons of a setting."""
    found = [season(pool, setting, gate, seed) for seed in range(seasons)]
    return Outcome(
        tuple(night for night, _ in found if night is not None),
        seasons,
        sum(refused for _, refused in found) / seasons / setting.challengers,
    )

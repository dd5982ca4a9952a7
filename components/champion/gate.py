"""The gate's settings: section ``gate`` of a configuration, and Champion's parameter.

Declared here because the rules that use them are here; ``pipeline.config.sections``
takes the same class for its section. It imports nothing heavy, because the command line
imports it.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from components.metric_names import (
    AUC,
    GATED_LABEL_METRICS,
    GATED_RANKING_METRICS,
    HIT_RATE,
    NDCG,
    RANKING_METRICS,
    ComparedMetric,
)
from trainer_modules.configs.types import Count, Fraction, NonNegative, Share

# The key of a mapping: any string to the type checker, one of the names to the check.
Floor = Annotated[
    str, Meta(extra={"names": GATED_RANKING_METRICS + GATED_LABEL_METRICS})
]
RankingFloor = Annotated[str, Meta(extra={"names": RANKING_METRICS})]
UserSlice = Annotated[
    str,
    Meta(
        pattern=r"^(activity|user_.+)\Z",
        description="'activity', or a side feature of users such as 'user_gender'",
    ),
]


def _default_floors() -> dict[Floor, Share]:
    return {AUC: 0.5, NDCG: 0.01, HIT_RATE: 0.02}


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model must achieve before it may go live.

    Attributes:
        metric: The metric by which models are compared: ``hit_rate@10``, ``ndcg@10``,
            ``mrr``, ``recall@10``, ``precision@10``, ``mean_rank_auc`` or ``auc``.
        floors: Metric → the lowest value that passes, for the metrics above,
            ``coverage@10``, ``accuracy``, ``precision`` and ``recall``. Your own floors
            replace these; ``auc`` and a ranking metric must each be a floor or the
            ``metric``. The floor of ``auc`` does not apply if all test ratings are
            liked, or all are disliked.
        new_item_floors: Ranking metric → the lowest value that passes on the targets
            alone whose items have too few training ratings for a row of their own, as
            in ``{ndcg@10: 0.01}``; models that cannot list new items pass none.
        max_loss: Allowed loss of ``metric`` against the live model, as an absolute
            difference: a model whose whole confidence interval is below is rejected.
        proven_gain: Whether a model must be proven to be better than the live one.
            ``false`` lets the best model that no rule rejects replace it, where a trial
            decides (docs/delivery.md), or the newest data count more than the metric.
        max_loss_by_event: Type of events → allowed loss of ``metric`` against the live
            model on the targets of this type alone, as in ``{transaction: 0, view:
            0.05}``; other types have no rule of their own (docs/events.md).
        min_index_recall: Lowest share of the ten best items that the index finds, of a
            model whose lists are found by one (``lists.index_from``).
        min_gain_over_popularity: Required gain of ``metric`` over popularity, as an
            absolute difference: the whole confidence interval must be above it.
        min_users: Minimum number of test users with a liked item; with fewer, no model
            goes live.
        slices: How users are divided into slices: by ``activity`` (the number of their
            earlier ratings) or by a side feature such as ``user_gender``. A model must
            not be significantly worse on any slice.
        min_slice_users: Minimum number of such users in a slice; smaller slices are
            reported but never reject a model.
        confidence: Confidence level of the intervals. 1 minus it is also the maximum
            probability of a false promotion while one version is live, however many
            nights pass and candidates are tried.
        min_score_std: Minimum standard deviation of all scores; below it, a model
            scores all items nearly alike.
        min_calibration: Lower bound of predicted over observed likes, for models whose
            scores are probabilities (task ``rating`` without sampled negatives).
        max_calibration: Upper bound of the same ratio.
        min_coverage_of_live: Required catalogue coverage, as a share of the live
            model's.
        without_baseline: What happens if the live model cannot be evaluated:
            ``refuse`` rejects every candidate, ``floors_only`` holds candidates against
            the other rules alone.
    """

    metric: ComparedMetric = "ndcg@10"
    floors: dict[Floor, Share] = msgspec.field(default_factory=_default_floors)
    new_item_floors: dict[RankingFloor, Share] = {}
    max_loss: Share = 0.005
    proven_gain: bool = True
    max_loss_by_event: dict[str, Share] = {}
    min_index_recall: Share = 0.95
    min_gain_over_popularity: Share = 0.0
    min_users: Count = 100
    slices: list[UserSlice] = msgspec.field(default_factory=lambda: ["activity"])
    min_slice_users: Count = 100
    confidence: Fraction = 0.95
    min_score_std: NonNegative = 0.01
    min_calibration: NonNegative = 0.5
    max_calibration: NonNegative = 2.0
    min_coverage_of_live: Share = 0.5
    without_baseline: Literal["refuse", "floors_only"] = "refuse"

    @property
    def alpha(self) -> float:
        """The accepted probability of a false promotion while one version is live."""
        return 1 - self.confidence

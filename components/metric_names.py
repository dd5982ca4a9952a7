"""The names of all metrics, each spelt once; imports no TensorFlow.

"@10" names the length of the list that a metric looks at. What is measured, gated,
compared and shown is composed of these names.
"""

from typing import Literal, get_args

K = 10  # length of the recommended lists that metrics look at

# One value per user and a mean over users; more is better and 1 is the best.
RankingMetric = Literal[
    "hit_rate@10", "ndcg@10", "mrr", "recall@10", "precision@10", "mean_rank_auc"
]
# Measured per user too, or weighed by user: only these can compare two models.
ComparedMetric = Literal[RankingMetric, "auc"]
# Those that a floor of the gate may name.
GatedRankingMetric = Literal[RankingMetric, "coverage@10"]
GatedLabelMetric = Literal["auc", "accuracy", "precision", "recall"]

RANKING_METRICS: tuple[str, ...] = get_args(RankingMetric)
HIT_RATE, NDCG, MRR, RECALL_IN_LIST, PRECISION_IN_LIST, MEAN_RANK_AUC = RANKING_METRICS
GATED_RANKING_METRICS: tuple[str, ...] = get_args(GatedRankingMetric)
COVERAGE = GATED_RANKING_METRICS[-1]
GATED_LABEL_METRICS: tuple[str, ...] = get_args(GatedLabelMetric)
AUC, ACCURACY, PRECISION, RECALL = GATED_LABEL_METRICS

# Against ``statistics.NUM_SAMPLED`` drawn negatives, as most papers print them.
SAMPLED_HIT_RATE, SAMPLED_NDCG = "sampled_hit_rate@10", "sampled_ndcg@10"
SAMPLED_METRICS = (SAMPLED_HIT_RATE, SAMPLED_NDCG)
PER_USER_METRICS = RANKING_METRICS + SAMPLED_METRICS

LOG_LOSS, CALIBRATION, RMSE = "log_loss", "calibration", "rmse"
# Defined if scores are probabilities; NaN for other models.
PROBABILITY_METRICS = (ACCURACY, PRECISION, RECALL, LOG_LOSS, CALIBRATION)

# Reported, and never a bar: the sampled metrics add nothing to the full ones, and of an
# error less is better.
REPORTED_ONLY = (*SAMPLED_METRICS, LOG_LOSS, CALIBRATION, RMSE)

# Measured on all users' lists together; only coverage may have a floor.
GINI, NOVELTY, DIVERSITY = "gini@10", "novelty@10", "diversity@10"
POPULARITY_LIFT = "popularity_lift@10"
INDEX_RECALL = "index_recall@10"  # NaN if all items are scored
BEYOND_ACCURACY = (
    COVERAGE,
    GINI,
    NOVELTY,
    DIVERSITY,
    POPULARITY_LIFT,
    INDEX_RECALL,
)

FINITE_SCORES, SCORE_STD = "finite_scores", "score_std"
NUM_USERS, NUM_TARGETS = "num_users", "num_targets"


def standard_error(metric: str) -> str:
    """Returns the name of a metric's standard error."""
    return f"{metric}_standard_error"


METRICS = (
    *PER_USER_METRICS,
    AUC,
    *PROBABILITY_METRICS,
    RMSE,
    *BEYOND_ACCURACY,
    FINITE_SCORES,
    SCORE_STD,
    NUM_USERS,
    NUM_TARGETS,
    standard_error(HIT_RATE),
    standard_error(NDCG),
)

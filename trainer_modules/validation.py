"""The eval split's word on each epoch: which one to keep, and when to stop."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy import stats

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.inputs import Data, eval_users
from trainer_modules.ranking import rank_targets

RANKED_USERS = 2048  # choose the epoch; more costs more than it tells
SCORED_PAIRS = 8192  # at once

Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


class Validation(tf.keras.callbacks.Callback):
    """Adds a metric of the eval split to each epoch's logs.

    Attributes:
        metric: Its name in the logs.
        mode: ``max`` or ``min``, which is better.
    """

    metric: str
    mode: str

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Measures, and tells the callbacks that come after this one."""
        logs[self.metric] = self.measure()

    def measure(self) -> float:
        """The metric of the model as it is."""
        raise NotImplementedError

    @staticmethod
    def measured_on(label: Labels) -> npt.NDArray[np.bool_]:
        """Which of the targets with labels [N] tell anything."""
        return label == f.LIKED


def validation(
    scorer: tf.keras.Model, config: GradientConfig, data: Data
) -> Validation:
    """What fits the task: ranks where it learns an order, else errors.

    Raises:
        ValueError: If the eval split has nothing to measure it on.
    """
    kind: type[Validation] = Ranking
    if config.loss == "squared_error":
        kind = StarsError
    elif config.task == "rating" and not config.num_negatives:
        kind = LabelsAUC
    measured_on = kind.measured_on(data.eval_ratings.label)
    if not measured_on.any():
        raise ValueError(
            f"no rating of the eval split can tell the {kind.metric} that chooses the "
            "epoch: hold out more (split.eval_fraction), or change label.threshold"
        )
    return kind(scorer, data)


class Ranking(Validation):
    """nDCG of the liked eval targets among all items that a user has not seen.

    Over the whole list: where only the first ten places count, nine users in ten say
    nothing, and which epoch seems best is chance.
    """

    metric, mode = "ndcg", "max"

    def __init__(self, scorer: tf.keras.Model, data: Data):
        super().__init__()
        self.scorer = scorer
        self.num_items = data.sizes.num_items
        self.num_unknown_items = data.num_unknown_items
        self.users = eval_users(data, RANKED_USERS).cache()

    def measure(self) -> float:
        """Ranks the first users of the split."""
        gain, users = 0.0, 0
        for batch in self.users:
            batch_gain, batch_users = self._gains(batch)
            gain += float(batch_gain)
            users += int(batch_users)
        return gain / users

    @tf.function(reduce_retracing=True)
    def _gains(self, batch: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        users = dict(batch)
        targets, label = users.pop(f.ITEM_INDEX), users.pop(f.LABEL)
        rank = rank_targets(
            self.scorer, users, targets, self.num_items, self.num_unknown_items, 1
        )["rank"]

        def discount(place: tf.Tensor) -> tf.Tensor:
            return tf.math.log(2.0) / tf.math.log(1.0 + tf.cast(place, tf.float32))

        liked = label == f.LIKED  # [B, T]
        dcg = tf.reduce_sum(tf.where(liked, discount(tf.maximum(rank, 1)), 0.0), 1)
        num_liked = tf.math.count_nonzero(liked, 1)
        places = tf.range(1, tf.shape(label)[1] + 1)
        ideal = tf.concat([[1.0], tf.cumsum(discount(places))], 0)
        return (
            tf.reduce_sum(dcg / tf.gather(ideal, num_liked)),
            tf.math.count_nonzero(num_liked),
        )


class _Targets(Validation):
    """Compares the scores of all eval targets with what came of them."""

    def __init__(self, scorer: tf.keras.Model, data: Data):
        super().__init__()
        self.scorer = scorer
        self.targets = data.eval_ratings
        user = self.targets.user_index
        self.pairs = tf.data.Dataset.from_tensor_slices(
            {name: table[user] for name, table in data.user_fields.items()}
            | {f.USER_INDEX: user, f.ITEM_INDEX: self.targets.item_index[:, np.newaxis]}
        ).batch(SCORED_PAIRS)

    def measure(self) -> float:
        """Scores the whole split."""
        score = np.concatenate([self._scores(batch).numpy() for batch in self.pairs])
        return self.compare(score)

    @tf.function(reduce_retracing=True)
    def _scores(self, batch: dict[str, Any]) -> tf.Tensor:
        return tf.cast(self.scorer(batch), tf.float32)[:, 0]

    def compare(self, score: Scores) -> float:
        """The metric of the scores [N] of all targets."""
        raise NotImplementedError


class LabelsAUC(_Targets):
    """The chance that a liked target scores above a disliked one; ties are a half."""

    metric, mode = "auc", "max"

    @staticmethod
    def measured_on(label: Labels) -> npt.NDArray[np.bool_]:
        """Those with a label, as long as there are both."""
        has_both = (label == f.LIKED).any() and (label == f.DISLIKED).any()
        return (label != f.NEITHER) & has_both

    def compare(self, score: Scores) -> float:
        """Mann and Whitney 1947."""
        label = self.targets.label
        liked, disliked = score[label == f.LIKED], score[label == f.DISLIKED]
        ahead = stats.mannwhitneyu(liked, disliked, method="asymptotic").statistic
        return float(ahead / (len(liked) * len(disliked)))


class StarsError(_Targets):
    """Root mean squared error in stars."""

    metric, mode = "rmse", "min"

    @staticmethod
    def measured_on(label: Labels) -> npt.NDArray[np.bool_]:
        """All of them."""
        return np.ones_like(label, np.bool_)

    def compare(self, score: Scores) -> float:
        """Over all targets, whatever their label."""
        return float(np.sqrt(np.mean((score - self.targets.rating) ** 2)))

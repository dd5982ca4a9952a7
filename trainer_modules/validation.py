"""Per-epoch validation: which weights to keep, and when to stop."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import devices
from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.disk_arrays import blocks, reading, tensor
from trainer_modules.inputs import Data, eval_users
from trainer_modules.layers.sharded_table import sharded_tables
from trainer_modules.ranking import Candidates, rank_targets
from trainer_modules.validation_metrics import AUC, MODES, NDCG, RMSE

RANKED_USERS = 2048  # they choose the epoch; more cost time and change little
SCORED_PAIRS = 8192  # pairs scored at once

Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


class Validation(tf.keras.callbacks.Callback):
    """Adds a metric of the eval split to each epoch's logs.

    Attributes:
        scorer: The model to validate.
        metric: Name of the metric in the logs.
        mode: ``max`` if more is better, or ``min``.
    """

    metric: str
    mode: str

    def __init__(self, scorer: tf.keras.Model):
        super().__init__()
        self.scorer = scorer
        self.is_sharded = bool(sharded_tables(scorer))  # scored by all workers

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Adds the metric to the logs, for the callbacks after this one."""
        logs[self.metric] = self.measure()

    def measure(self) -> float:
        """Returns the metric for the model's present weights, the same on all workers.

        Others would compute it with other rounding errors, and stop at another epoch.
        """
        strategy = self.scorer.distribute_strategy
        return devices.of_chief(strategy, self._measured, by_all=self.is_sharded)

    def _measured(self) -> float:
        raise NotImplementedError

    @staticmethod
    def measured_on(label: Labels) -> npt.NDArray[np.bool_]:
        """Returns which of the targets with labels [N] the metric can use."""
        return label == f.LIKED


def validation(
    scorer: tf.keras.Model, config: GradientConfig, data: Data
) -> Validation:
    """Returns the validation for a task: ranks if it learns an order, errors otherwise.

    Args:
        scorer: The model to validate.
        config: Task and loss of the model.
        data: The eval records.

    Raises:
        ValueError: If no target of the eval split can be used.
    """
    kind: type[Ranking | _Targets] = Ranking
    if config.loss == "squared_error":
        kind = StarsError
    elif config.task == "rating" and not config.num_negatives:
        kind = LabelsAUC
    measured_on = kind.measured_on(data.eval_ratings.targets().label)
    if not measured_on.any():
        raise ValueError(
            f"the {kind.metric} that chooses the epoch is not defined on the ratings "
            "of the eval split: hold out more (split.eval_fraction), or change "
            "label.threshold"
        )
    return kind(scorer, data)


class Ranking(Validation):
    """nDCG of the liked eval targets among all items that may be on a user's list.

    It is over the whole list: with only the first ten places, nine in ten users have a
    gain of 0, and the best epoch would be a matter of chance.
    """

    metric, mode = NDCG, MODES[NDCG]

    def __init__(self, scorer: tf.keras.Model, data: Data):
        super().__init__(scorer)
        sizes = data.sizes
        self.candidates = Candidates.of(
            scorer, sizes.num_listed, data.num_unknown_items, sizes.num_new_items
        )
        self.users = eval_users(data, RANKED_USERS).cache()

    def _measured(self) -> float:
        """Ranks the first users of the split."""
        gain, users = 0.0, 0
        for batch in self.users:
            gain += float(self._gain(batch))
            users += len(batch[f.USER_INDEX])
        return gain / users

    @tf.function(autograph=False, reduce_retracing=True)
    def _gain(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        users = dict(batch)
        targets, label = users.pop(f.ITEM_INDEX), users.pop(f.LABEL)
        rank = rank_targets(self.scorer, users, targets, self.candidates, 1)["rank"]

        def discount(place: tf.Tensor) -> tf.Tensor:
            return tf.math.log(2.0) / tf.math.log(1.0 + tf.cast(place, tf.float32))

        liked = label == f.LIKED  # [B, T]
        dcg = tf.reduce_sum(tf.where(liked, discount(tf.maximum(rank, 1)), 0.0), 1)
        num_liked = tf.math.count_nonzero(liked, 1)
        places = tf.range(1, tf.shape(label)[1] + 1)
        ideal = tf.concat([[1.0], tf.cumsum(discount(places))], 0)
        return tf.reduce_sum(dcg / tf.gather(ideal, num_liked))


class _Targets(Validation):
    """Compares the scores of all eval targets with their labels or stars."""

    def __init__(self, scorer: tf.keras.Model, data: Data):
        super().__init__(scorer)
        self.targets = data.eval_ratings.targets()
        num_pairs = len(self.targets)
        user, item = (
            tensor(column)
            for column in (self.targets.user_index, self.targets.item_index)
        )
        context = data.context_of(self.targets)
        fields = data.user_fields  # read here: no file can be read within ``pairs``

        def pairs(begin: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = tf.range(begin, tf.minimum(begin + SCORED_PAIRS, num_pairs))
            users = tf.gather(user, rows)
            return {
                **{name: tf.gather(table, users) for name, table in fields.items()},
                **context(rows),
                f.USER_INDEX: users,
                f.ITEM_INDEX: tf.gather(item, rows)[:, tf.newaxis],
            }

        begins = tf.data.Dataset.range(0, num_pairs, SCORED_PAIRS)
        self.pairs = reading(begins.map(pairs))

    def _measured(self) -> float:
        """Scores the whole split."""
        score = np.concatenate([self._scores(batch).numpy() for batch in self.pairs])
        return self.compare(score)

    @tf.function(autograph=False, reduce_retracing=True)
    def _scores(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.cast(self.scorer(batch), tf.float32)[:, 0]

    def compare(self, score: Scores) -> float:
        """Returns the metric of the scores [N] of all targets."""
        raise NotImplementedError


class LabelsAUC(_Targets):
    """The probability that a like scores above a dislike; ties count half."""

    metric, mode = AUC, MODES[AUC]

    @staticmethod
    def measured_on(label: Labels) -> npt.NDArray[np.bool_]:
        """Returns the targets with a label; none if all have the same."""
        has_both = (label == f.LIKED).any() and (label == f.DISLIKED).any()
        return (label != f.NEITHER) & has_both

    def compare(self, score: Scores) -> float:
        """Returns the statistic of Mann and Whitney 1947, scaled to 0 to 1."""
        label = self.targets.label
        liked, disliked = score[label == f.LIKED], score[label == f.DISLIKED]
        disliked.sort()
        # Rather than by ranks of all, which take 50 times the memory.
        ahead = sum(
            int(np.searchsorted(disliked, liked[rows], side).sum())
            for side in ("left", "right")
            for rows in blocks(len(liked))
        )
        return float(ahead / 2 / (len(liked) * len(disliked)))


class StarsError(_Targets):
    """Root mean squared error in stars."""

    metric, mode = RMSE, MODES[RMSE]

    @staticmethod
    def measured_on(label: Labels) -> npt.NDArray[np.bool_]:
        """Returns all targets."""
        return np.ones_like(label, np.bool_)

    def compare(self, score: Scores) -> float:
        """Returns the error over all targets, whatever their label."""
        return float(np.sqrt(np.mean((score - self.targets.rating) ** 2)))

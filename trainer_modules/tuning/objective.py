"""What a trial is: a model with some settings, and how well it ranks the eval split.

Nothing here reads the test split: trials learn from ``train`` and are judged by
``eval``, closed forms too.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import devices, training
from trainer_modules import features as f
from trainer_modules.configs.parse import parse
from trainer_modules.inputs import Data, eval_users
from trainer_modules.model_builder import ModelBuilder
from trainer_modules.ranking import Candidates, rank_targets
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.validation import LabelsAUC

MAX_USERS = 10_000  # the first ones of the split; they are in the order of a hash

Values = Mapping[str, Any]  # setting → value that a trial tries
# Is called after each epoch with what measures it; may raise.
Report = Callable[[Callable[[], float]], None]
# Returns the metric of one user from the ranks of the liked targets, [P], P >= 1, and
# the number of items that the user has not seen.
UserMetric = Callable[[npt.NDArray[np.int64], int], float]


@dataclasses.dataclass(frozen=True)
class Objective:
    """Trains a model with the values of a trial, and measures it on the eval split.

    Attributes:
        settings: Settings of the Trainer, whose own values the trial's replace.
        data: The train and eval records, which all trials share.
        metric: The metric of one user; None for the AUC of all targets.
    """

    settings: TrainerSettings
    data: Data
    metric: UserMetric | None

    def __call__(self, values: Values, name: str, report: Report) -> float:
        """Returns the metric of the best epoch.

        Args:
            values: Setting → value.
            name: Name of the trial in progress reports.
            report: Is called after each epoch with what returns its metric. What it
                raises ends the trial. A closed form has no epochs.

        Raises:
            ValueError: If the values do not go together, or no user liked a target.
            MemoryError: If the model needs more memory than there is.
        """
        own = dataclasses.asdict(self.settings.config)
        config = parse(self.settings.model.config_class, {**own, **values})
        settings = dataclasses.replace(self.settings, config=config)
        data = self.data
        if settings.reads_times and not data.reads_times:
            data = dataclasses.replace(data, reads_times=True)  # reads the records anew
        tf.keras.backend.clear_session()  # of the trial before
        with devices.explaining_full_memory(), tempfile.TemporaryDirectory() as logs:
            model = ModelBuilder.for_devices(settings, data)()
            measured = self._measured(model, data)
            if settings.is_closed_form:
                training.solve(model, data, data.train_ratings)
            else:
                training.fit(
                    model,
                    config,
                    data,
                    seed=settings.seed,
                    log_dir=logs,
                    name=name,
                    on_epoch_end=lambda: report(measured),
                )
            return measured()

    def _measured(self, model: tf.keras.Model, data: Data) -> Callable[[], float]:
        if self.metric is None:
            return LabelsAUC(model, data).measure
        return _UserMean(model, data, self.metric).measure


class _UserMean:
    """The mean of a metric over the users who liked a target of the eval split."""

    def __init__(self, model: tf.keras.Model, data: Data, metric: UserMetric):
        self.model, self.metric = model, metric
        sizes = data.sizes
        self.candidates = Candidates.of(
            model, sizes.num_listed, data.num_unknown_items, sizes.num_new_items
        )
        self.users = eval_users(data, MAX_USERS).cache()

    def measure(self) -> float:
        """Ranks the targets of the users with the model's present weights."""
        metrics = [
            self.metric(rank[label == f.LIKED], int(num_candidates))
            for batch in self.users
            for rank, label, num_candidates in zip(
                *(part.numpy() for part in self._ranks(batch)), strict=True
            )
        ]
        if not metrics:
            raise ValueError(
                "the metric of trials is not defined: no user liked a rating of the "
                "eval split; hold out more (split.eval_fraction), or change "
                "label.threshold"
            )
        return float(np.mean(metrics))

    @tf.function(autograph=False, reduce_retracing=True)
    def _ranks(
        self, batch: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        users = dict(batch)
        targets, label = users.pop(f.ITEM_INDEX), users.pop(f.LABEL)
        ranked = rank_targets(self.model, users, targets, self.candidates, 1)
        return ranked["rank"], label, ranked["num_candidates"]

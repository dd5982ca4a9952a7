"""What was measured of each user, small enough to keep for all of them."""

import dataclasses
import io

import numpy as np
import numpy.typing as npt

from components.metric_names import AUC

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Users:
    """A model's measurements of N users with T targets, ordered by user.

    Attributes:
        user: [N] A hash of each user's id, ascending.
        metrics: The names of the columns of ``values``.
        values: [N, M] Ranking metrics, NaN where a user has nothing to measure.
        num_candidates: [N] How many items were ranked for each user.
        target_user: [T] The user of each target: a place in ``user``.
        target: [T] A hash of the user, the item and the time.
        rank: [T] From 1; 0 where the user was not in the sample.
        score: [T] The model's score.
        label: [T] 1 liked, 0 not.
    """

    user: npt.NDArray[np.uint64]
    metrics: tuple[str, ...]
    values: npt.NDArray[np.float32]
    num_candidates: npt.NDArray[np.int32]
    target_user: npt.NDArray[np.int32]
    target: npt.NDArray[np.uint32]
    rank: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]

    def encoded(self) -> bytes:
        """As bytes that hold nothing but arrays."""
        file = io.BytesIO()
        arrays = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "metrics"
        }
        np.savez_compressed(file, metrics=np.array(self.metrics), **arrays)
        return file.getvalue()

    @classmethod
    def decoded(cls, encoded: bytes) -> "Users":
        """What ``encoded`` made.

        Raises:
            ValueError: If it is something else.
        """
        try:
            with np.load(io.BytesIO(encoded), allow_pickle=False) as file:
                arrays = dict(file)
            metrics = tuple(arrays.pop("metrics").tolist())
            return cls(metrics=metrics, **arrays)
        except Exception as error:  # an archive can be broken in many ways
            raise ValueError(f"these bytes are no users: {error!r}") from error

    def has(self, metric: str) -> bool:
        """Returns whether ``values_of`` has the metric."""
        return metric in (*self.metrics, AUC)

    def values_of(self, metric: str) -> Floats:
        """Returns one value per user [N] whose mean is the metric.

        The variance of the values over the number of users is that of the metric. NaN
        for users for whom it cannot be measured.

        Args:
            metric: One of ``metrics``, or ``auc`` over all targets.
        """
        if metric == AUC:
            return self._auc_values()
        return self.values[:, self.metrics.index(metric)].astype(np.float64)

    def has_one_label(self) -> bool:
        """Returns whether the targets are all liked or all not: no AUC is defined."""
        return len(np.unique(self.label)) == 1

    def _auc_values(self) -> Floats:
        """Returns the AUC plus each user's influence on it.

        Mann and Whitney's statistic with the targets of a user as a cluster: Obuchowski
        1997, "Nonparametric analysis of clustered ROC curve data" (Biometrics 53).
        """
        num_users = len(self.user)
        if len(np.unique(self.label)) < 2 or np.isnan(self.score).any():
            return np.full(num_users, np.nan)
        is_liked = self.label == 1
        liked, other = np.sort(self.score[is_liked]), np.sort(self.score[~is_liked])
        # The share of the other kind that each target is ordered rightly against.
        right = np.where(
            is_liked,
            _share_below(other, self.score),
            1 - _share_below(liked, self.score),
        )
        area = right[is_liked].mean()
        share = np.where(is_liked, 1 / len(liked), 1 / len(other))
        influence = np.bincount(
            self.target_user, (right - area) * share, minlength=num_users
        )
        return area + num_users * influence


def _share_below(
    ordered: npt.NDArray[np.float32], score: npt.NDArray[np.float32]
) -> Floats:
    """Returns which share of ``ordered`` is below each score; ties are a half."""
    below = np.searchsorted(ordered, score, "left")
    not_above = np.searchsorted(ordered, score, "right")
    found: Floats = (below + not_above) / (2 * len(ordered))
    return found

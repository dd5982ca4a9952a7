"""What was measured of each user, small enough to keep for all of them."""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
AUC = "auc"


@dataclasses.dataclass(frozen=True)
class Users:
    """A model's measurements of N users with T targets, ordered by user.

    Attributes:
      user: [N] a hash of each one's id, ascending.
      metrics: the names of the columns of ``values``.
      values: [N, M] ranking metrics, NaN where a user has nothing to measure.
      target_user: [T] whose a target is: a place in ``user``.
      score: [T] of the target.
      label: [T] 1 liked, 0 not.
    """

    user: npt.NDArray[np.uint64]
    metrics: tuple[str, ...]
    values: npt.NDArray[np.float32]
    target_user: npt.NDArray[np.int32]
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
          ValueError: if it is something else.
        """
        try:
            with np.load(io.BytesIO(encoded), allow_pickle=False) as file:
                arrays = dict(file)
            metrics = tuple(arrays.pop("metrics").tolist())
            return cls(metrics=metrics, **arrays)
        except Exception as error:  # an archive can be broken in many ways
            raise ValueError(f"these bytes are no users: {error!r}") from error

    def has(self, metric: str) -> bool:
        """Whether the metric can be had of resamples."""
        return metric in (*self.metrics, AUC)

    def known_to(self, other: "Users") -> "Users":
        """The same, without metrics of users of whom the other has none."""
        values = np.where(np.isnan(other.values), np.nan, self.values)
        return dataclasses.replace(self, values=values)

    def weighted(self, metric: str) -> Callable[[Floats], Floats]:
        """Makes the function that measures resamples of the users.

        Args:
          metric: a mean over users, or ``auc`` over all targets.

        Returns:
          [R, N] how often each user counts → [R], NaN where nothing is left to measure.
        """
        if metric == AUC:
            return self._weighted_auc()
        column = self.values[:, self.metrics.index(metric)].astype(np.float64)
        counts = ~np.isnan(column)
        value = np.where(counts, column, 0.0)

        def mean(weights: Floats) -> Floats:
            with np.errstate(invalid="ignore"):
                found: Floats = (weights @ value) / (weights @ counts)
            return found

        return mean

    def _weighted_auc(self) -> Callable[[Floats], Floats]:
        """Mann and Whitney's statistic, each target as often as its user."""
        order = np.argsort(self.score, kind="stable")
        score, label = self.score[order], self.label[order]
        user = self.target_user[order]
        # Equal scores are one group; within it half of the pairs stand right.
        new_group = np.ones(len(score), np.bool_)
        new_group[1:] = score[1:] != score[:-1]  # infinite ones may be equal too
        group = np.cumsum(new_group) - 1
        first = np.flatnonzero(new_group)
        is_valid = len(score) > 0 and not np.isnan(score).any()

        def auc(weights: Floats) -> Floats:
            if not is_valid:
                return np.full(len(weights), np.nan)
            weight = weights[:, user]  # [R, T]
            liked, other = weight * label, weight * (1 - label)
            below = np.cumsum(np.add.reduceat(other, first, 1), 1)  # [R, groups]
            of_group = np.diff(below, axis=1, prepend=0)
            ahead = np.sum(liked * (below - of_group / 2)[:, group], 1)
            with np.errstate(invalid="ignore"):
                found: Floats = ahead / (liked.sum(1) * other.sum(1))
            return found

        return auc

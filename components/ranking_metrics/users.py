"""The measurements of each user, small enough to keep for all of them."""

import dataclasses
import io

import numpy as np
import numpy.typing as npt

from components.metric_names import AUC
from trainer_modules import features as f

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Users:
    """A model's measurements of N users with T targets, ordered by user.

    Attributes:
        user: Hash of each user's id, [N], ascending.
        metrics: Names of the columns of ``values``.
        values: Ranking metrics, [N, M]; NaN if not defined for a user.
        num_candidates: How many items were ranked for each user, [N].
        target_user: User of each target as a position in ``user``, [T].
        target: Hash of the user, the item and the time, [T].
        rank: Rank from 1, [T]; 0 if the user was not in the sample.
        score: Score by the model, [T].
        label: 1 for likes and 0 for others, [T].
        event_type: Hash of each target's type of event (``event_type_hashes``), [T]; 0
            without types. None in an evaluation of an older release.
        is_new: Whether the target's item has no row of its own in the model, [T]. None
            in an evaluation of an older release.
        popularity: Place of the target's item in ``POPULARITIES``, [T]. None in an
            evaluation of an older release.
        age: Place of the age of the target's item in ``AGES``, [T]. None in an
            evaluation of an older release.
        top_item: Indices of the items recommended to each user, [N, K]; 0 in places
            left empty, and for users not in the sample. None in an evaluation of an
            older release.
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
    event_type: npt.NDArray[np.uint32] | None = None
    is_new: npt.NDArray[np.bool_] | None = None
    popularity: npt.NDArray[np.int8] | None = None
    age: npt.NDArray[np.int8] | None = None
    top_item: npt.NDArray[np.int32] | None = None

    def encoded(self) -> bytes:
        """Returns the measurements as bytes, without pickled objects."""
        file = io.BytesIO()
        arrays = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "metrics" and getattr(self, field.name) is not None
        }
        np.savez_compressed(file, metrics=np.array(self.metrics), **arrays)
        return file.getvalue()

    @classmethod
    def decoded(cls, encoded: bytes) -> "Users":
        """Returns the measurements from the bytes of ``encoded``.

        Raises:
            ValueError: If the bytes are something else.
        """
        try:
            with np.load(io.BytesIO(encoded), allow_pickle=False) as file:
                arrays = dict(file)
            metrics = tuple(arrays.pop("metrics").tolist())
            return cls(metrics=metrics, **arrays)
        except Exception as error:  # an archive can be broken in many ways
            raise ValueError(
                f"the measurements by user cannot be decoded: {error!r}"
            ) from error

    def has(self, metric: str) -> bool:
        """Returns whether ``values_of`` supports the metric."""
        return metric in (*self.metrics, AUC)

    def values_of(self, metric: str) -> Floats:
        """Returns one value per user [N] whose mean is the metric.

        The variance of the values, divided by the number of users, is the variance of
        the metric. Users for whom it is not defined have NaN.

        Args:
            metric: One of ``metrics``, or ``auc`` over all targets.
        """
        if metric == AUC:
            return self._auc_values()
        return self.values[:, self.metrics.index(metric)].astype(np.float64)

    def measurable(self, metric: str) -> npt.NDArray[np.bool_]:
        """Returns for which users [N] the test data allow a metric to be measured.

        A ranking metric needs a user in the sample who liked a target; AUC is over the
        targets of all users.
        """
        if metric == AUC:
            return np.ones(len(self.user), np.bool_)
        return self._have((self.label == 1) & (self.rank > 0))

    def is_ranked(self) -> npt.NDArray[np.bool_]:
        """Returns which users [N] were in the sample."""
        return self._have(self.rank > 0)

    def num_listed_items(self, chosen: npt.NDArray[np.bool_]) -> int:
        """Returns how many different items are recommended to the chosen users [N].

        Needs ``top_item``.
        """
        assert self.top_item is not None
        items = np.unique(self.top_item[chosen])
        return int(np.count_nonzero(items >= f.NUM_RESERVED))

    def has_targets_of(self, other: "Users") -> bool:
        """Returns whether the same targets were judged, with the same labels."""
        names = ("user", "target_user", "target", "label")
        return all(np.array_equal(getattr(self, n), getattr(other, n)) for n in names)

    def has_one_label(self) -> bool:
        """Returns whether all targets have the same label, so AUC is not defined."""
        return len(np.unique(self.label)) == 1

    def _have(self, targets: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Returns which users [N] have any of the targets [T]."""
        count = np.bincount(self.target_user[targets], minlength=len(self.user))
        return count > 0

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
    """Returns the share of ``ordered`` that is below each score; ties count half."""
    below = np.searchsorted(ordered, score, "left")
    not_above = np.searchsorted(ordered, score, "right")
    found: Floats = (below + not_above) / (2 * len(ordered))
    return found

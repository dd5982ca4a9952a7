"""Users once for each context of their targets, so that each is ranked in its own."""

import dataclasses

import tensorflow as tf

from trainer_modules import features as f


@dataclasses.dataclass(frozen=True)
class TargetContexts:
    """B users with T targets each as U users in one context, with S targets each.

    A context is that of one or more targets of a user, so that the items are scored
    once for all of them. The contexts of a user are adjacent, that of the first target
    first. A user without targets is in the context of the padding.

    Attributes:
        features: Features of the users in one context, [U, ...] each; ``timestamp`` has
            the times of their targets, [U, S], and ``context`` is [U, K].
        targets: Their targets, [U, S], padded with 0.
        user: Row of the user, [U].
        lengths: Number of their targets, [U].
        cells: Row and column of each of them among the targets of the users, [N, 2].
        shape: [B, T + 1].
    """

    features: dict[str, tf.Tensor]
    targets: tf.Tensor
    user: tf.Tensor
    lengths: tf.Tensor
    cells: tf.Tensor
    shape: tf.Tensor

    @classmethod
    def split(
        cls, features: dict[str, tf.Tensor], targets: tf.Tensor
    ) -> "TargetContexts":
        """Splits users by the contexts of their targets.

        Args:
            features: Features of the users, [B, ...] each, with ``context`` [B, T, K]
                and ``timestamp`` [B, T].
            targets: Indices of the targets, [B, T], padded with 0.
        """
        # There is a first column even without targets.
        targets, times, contexts = (
            tf.pad(values, [[0, 0], [0, 1], *[[0, 0]] * (values.shape.rank - 2)])
            for values in (targets, features[f.TIMESTAMP], features[f.CONTEXT])
        )
        is_cell = (targets != f.PADDING_INDEX) | (tf.range(tf.shape(targets)[1]) == 0)
        cells = tf.where(is_cell)
        context = tf.cast(tf.gather_nd(contexts, cells), tf.int64)  # [N, K]
        key = cells[:, 0]
        for value in tf.unstack(context, axis=1):
            key = key * (tf.reduce_max(context) + 1) + value
        # Numbered by first occurrence, and so user by user.
        group = tf.unique(key).idx  # [N]
        order = tf.argsort(group, stable=True)
        cells, group = tf.gather(cells, order), tf.gather(group, order)
        lengths = tf.math.bincount(group, dtype=tf.int64)  # [U]
        first = tf.gather(cells, tf.cumsum(lengths, exclusive=True))  # [U, 2]

        def grouped(values: tf.Tensor) -> tf.Tensor:
            return tf.RaggedTensor.from_row_lengths(
                tf.gather_nd(values, cells), lengths, validate=False
            ).to_tensor()

        of_targets = {
            f.CONTEXT: tf.gather_nd(contexts, first),
            f.TIMESTAMP: grouped(times),
        }
        of_users = {
            name: tf.gather(value, first[:, 0])
            for name, value in features.items()
            if name not in of_targets
        }
        return cls(
            {**of_users, **of_targets},
            grouped(targets),
            first[:, 0],
            lengths,
            cells,
            tf.shape(targets, tf.int64),
        )

    def of_targets(self, values: tf.Tensor) -> tf.Tensor:
        """Returns values [U, S] of the targets as those of the users, [B, T]."""
        found = tf.RaggedTensor.from_tensor(values, self.lengths).flat_values
        return tf.scatter_nd(self.cells, found, self.shape)[:, :-1]

    def of_first(self, values: tf.Tensor) -> tf.Tensor:
        """Returns values [U, ...] in the context of each user's first target."""
        return tf.gather(values, tf.searchsorted(self.user, tf.range(self.shape[0])))

    def largest(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the largest value [B] of each user's, [U]."""
        return tf.math.segment_max(values, self.user)

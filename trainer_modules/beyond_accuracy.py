"""How popular items are, and what else lists have that users may not have liked."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.disk_arrays import counts
from trainer_modules.interactions import Interactions, Ratings
from trainer_modules.sizes import Sizes, Weighted

GENRES = "item_genres"  # the side feature that diversity compares


class ListStatistics(tf.Module):
    """Measures the novelty, diversity and popularity of users' lists.

    Attributes:
        more_popular: Share of the training ratings that belong to more popular items,
            [V], 0 to 1. It is 1 for items without a row of their own.
    """

    def __init__(self, ratings: Ratings | Interactions, sizes: Sizes):
        """Counts how popular each item is, and prepares the genres.

        Args:
            ratings: Training ratings; an item's popularity is the share of users who
                rated it.
            sizes: Number of users and items, and the items' genres if there are any.
        """
        super().__init__()
        count = counts(ratings.item_index, sizes.num_listed).astype(np.float32)
        # An item without ratings is as novel as one with a single rating.
        self.popularity = tf.maximum(count, 1) / tf.cast(sizes.num_users, tf.float32)
        self.more_popular = tf.constant(_more_popular(count), tf.float32)
        self.genres = None
        if GENRES in sizes.item_fields:
            field = sizes.item_fields[GENRES]
            table = field.values if isinstance(field, Weighted) else field
            genres = np.where(table >= f.NUM_RESERVED, table, f.PADDING_INDEX)
            genres.sort(1)
            is_repeated = genres[:, 1:] == genres[:, :-1]
            genres[:, 1:][is_repeated] = f.PADDING_INDEX  # repeated genres count once
            self.genres = tf.constant(genres)  # [V, L]

    def __call__(self, top_item: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        """Measures each user's list.

        Args:
            top_item: Indices of the listed items, [B, K], padded with 0.
            history: Indices of the items that the user has rated, [B, H], padded with
                0.

        Returns:
            A value per user, [B], of each statistic: ``novelty``, the mean
            self-information of the items in bits (Castells, Hurley, Vargas 2015,
            section 26.3.2); ``diversity``, the mean Jaccard distance between the genres
            of two items (Ziegler et al. 2005), NaN if fewer than two items have genres;
            ``list_popularity`` and ``history_popularity``, the mean share of users who
            rated an item (Abdollahpouri et al. 2019).
        """
        popularity = tf.gather(self.popularity, top_item)  # [B, K]
        listed = tf.cast(top_item != f.PADDING_INDEX, tf.float32)
        length = tf.reduce_sum(listed, 1)
        known = tf.cast(history != f.PADDING_INDEX, tf.float32)  # [B, H]
        history_popularity = tf.gather(self.popularity, history) * known
        return {
            "novelty": -tf.reduce_sum(tf.math.log(popularity) * listed, 1)
            / (length * tf.math.log(2.0)),
            "diversity": self._diversity(top_item),
            "list_popularity": tf.math.divide_no_nan(
                tf.reduce_sum(popularity * listed, 1), length
            ),
            "history_popularity": tf.math.divide_no_nan(
                tf.reduce_sum(history_popularity, 1), tf.reduce_sum(known, 1)
            ),
        }

    def _diversity(self, top_item: tf.Tensor) -> tf.Tensor:
        """Returns the mean Jaccard distance of the genres of two listed items, [B]."""
        if self.genres is None:
            return tf.fill(tf.shape(top_item)[:1], float("nan"))
        genres = tf.gather(self.genres, top_item)  # [B, K, L]
        has_genre = genres != f.PADDING_INDEX
        count = tf.reduce_sum(tf.cast(has_genre, tf.float32), 2)  # [B, K]

        def add_shared(both: tf.Tensor, genre: tf.Tensor) -> tf.Tensor:
            """Adds 1 to the pairs of which both have an item's genre, [B, K]."""
            is_same = genre[:, :, tf.newaxis, tf.newaxis] == genres[:, tf.newaxis]
            is_shared = tf.reduce_any(is_same & has_genre[:, tf.newaxis], 3)
            return both + tf.cast(is_shared, tf.float32)

        # Genre by genre: an item may have hundreds, and all pairs would not fit.
        of_either = count[:, :, tf.newaxis] + count[:, tf.newaxis]  # [B, K, K]
        both = tf.foldl(
            add_shared, tf.transpose(genres, [2, 0, 1]), tf.zeros_like(of_either)
        )
        either = of_either - both
        distance = 1 - tf.math.divide_no_nan(both, either)
        has_any = tf.cast(count > 0, tf.float32)
        pair = has_any[:, :, tf.newaxis] * has_any[:, tf.newaxis]
        pair = tf.linalg.set_diag(pair, tf.zeros_like(count))
        # Without a pair this is 0 / 0, NaN as intended.
        return tf.reduce_sum(distance * pair, [1, 2]) / tf.reduce_sum(pair, [1, 2])


def _more_popular(count: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Returns the share of the ratings that belong to more popular items, [V].

    Args:
        count: Ratings of each item, [V]; the reserved rows have those of all items
            without a row, which are rarer than the others.
    """
    own = count[f.NUM_RESERVED :].astype(np.float64)
    order = np.argsort(-own, kind="stable")
    shares = np.ones(len(count))
    before = np.cumsum(own[order]) - own[order]
    shares[f.NUM_RESERVED + order] = before / max(count.sum(dtype=np.float64), 1)
    return np.where(count > 0, shares, 1.0)

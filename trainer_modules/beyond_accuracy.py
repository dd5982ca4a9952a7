"""What recommended lists are like, whether or not they are right."""

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Ratings
from trainer_modules.sizes import Sizes

GENRES = "item_genres"  # the side feature that tells items apart


class ListStatistics(tf.Module):
    """Novelty, diversity and popularity of users' lists."""

    def __init__(self, ratings: Ratings, sizes: Sizes):
        """Counts.

        Args:
            ratings: Of training: how many rated an item is its popularity.
            sizes: Of the data, with the items' genres where it has them.
        """
        super().__init__()
        item = tf.constant(ratings.item_index)
        count = tf.math.bincount(item, minlength=sizes.num_items, dtype=tf.float32)
        # Nobody rated it: as novel as what one user rated.
        self.popularity = tf.maximum(count, 1) / tf.cast(sizes.num_users, tf.float32)
        self.genres = None
        if GENRES in sizes.item_fields:
            table = sizes.item_fields[GENRES]
            genres = np.where(table >= f.NUM_RESERVED, table, f.PADDING_INDEX)
            genres.sort(1)
            again = genres[:, 1:] == genres[:, :-1]
            genres[:, 1:][again] = f.PADDING_INDEX  # one that is named twice
            self.genres = tf.constant(genres)  # [V, L]

    def __call__(self, top_item: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        """Measures each user's list.

        Args:
            top_item: [B, K] indices.
            history: [B, H] indices of what the user has rated, padded with 0.

        Returns:
            [B] each: ``novelty``, the items' mean self-information in bits (Castells,
            Hurley, Vargas 2015, section 26.3.2); ``diversity``, the mean Jaccard
            distance of the genres of two of them (Ziegler et al. 2005), NaN where fewer
            than two have genres; ``list_popularity`` and ``history_popularity``, the
            mean share of users who rated an item (Abdollahpouri et al. 2019).
        """
        popularity = tf.gather(self.popularity, top_item)  # [B, K]
        known = tf.cast(history != f.PADDING_INDEX, tf.float32)  # [B, H]
        of_history = tf.gather(self.popularity, history) * known
        return {
            "novelty": tf.reduce_mean(-tf.math.log(popularity), 1) / tf.math.log(2.0),
            "diversity": self._diversity(top_item),
            "list_popularity": tf.reduce_mean(popularity, 1),
            "history_popularity": tf.math.divide_no_nan(
                tf.reduce_sum(of_history, 1), tf.reduce_sum(known, 1)
            ),
        }

    def _diversity(self, top_item: tf.Tensor) -> tf.Tensor:
        if self.genres is None:
            return tf.fill(tf.shape(top_item)[:1], float("nan"))
        genres = tf.gather(self.genres, top_item)  # [B, K, L]
        has_genre = genres != f.PADDING_INDEX
        count = tf.reduce_sum(tf.cast(has_genre, tf.float32), 2)  # [B, K]

        def more(both: tf.Tensor, genre: tf.Tensor) -> tf.Tensor:
            """Adds where one genre of each item [B, K] is one of another item's."""
            is_same = genre[:, :, tf.newaxis, tf.newaxis] == genres[:, tf.newaxis]
            is_shared = tf.reduce_any(is_same & has_genre[:, tf.newaxis], 3)
            return both + tf.cast(is_shared, tf.float32)

        # One after the other: items may have hundreds, and there may be many thousands.
        both = tf.foldl(
            more,
            tf.transpose(genres, [2, 0, 1]),
            tf.zeros_like(count[:, :, tf.newaxis] + count[:, tf.newaxis]),
        )  # [B, K, K]
        either = count[:, :, tf.newaxis] + count[:, tf.newaxis] - both
        distance = 1 - tf.math.divide_no_nan(both, either)
        has = tf.cast(count > 0, tf.float32)
        pair = has[:, :, tf.newaxis] * has[:, tf.newaxis]
        pair = tf.linalg.set_diag(pair, tf.zeros_like(count))
        # Without a pair 0 / 0, which is what it says: not a number.
        return tf.reduce_sum(distance * pair, [1, 2]) / tf.reduce_sum(pair, [1, 2])

"""The exported model: raw bytes in; scores, lists or ranks out, of one score function.

What is written holds the transform graph, the vocabularies and the weights, and needs
nothing of this package to be loaded.
"""

import re
from collections.abc import Mapping
from typing import Literal

import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules import features as f
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.ranking import rank_targets, score_candidates, score_unseen
from trainer_modules.sizes import Table

NUM_TOP = 10  # items of each user's list that ``evaluate`` returns
HASHES = 1 << 20  # of user ids; a sample of users is those with the lowest
# What scores are: of the probability that a rated item is liked, stars, or numbers that
# only put items in an order.
Unit = Literal["logit", "stars", "order"]
_TO_THE_END = 1 << 30  # bytes
HASH_KEY = (2017, 1031)  # another than ExampleGen's, which orders the users


class Served(tf.Module):
    """A trained model with its transform graph and its three signatures."""

    def __init__(
        self,
        model: tf.keras.Model,
        transform: tft.TFTransformOutput,
        *,
        unit: Unit,
        user_fields: Mapping[str, Table],
        list_statistics: ListStatistics,
        num_unknown_items: int,
        share_of_users: float,
    ):
        """Joins a model to what it was trained on.

        Args:
            model: Scores [B, C].
            transform: The graph and the vocabularies.
            unit: Of the scores.
            user_fields: Side features of the known users, [num_users, L] each, for
                requests that do not bring them along.
            list_statistics: Of the lists that ``evaluate`` makes.
            num_unknown_items: Items of the catalogue that the vocabulary has not.
            share_of_users: That ``evaluate`` ranks for, by a hash of their ids; all of
                them from 1.
        """
        super().__init__()
        self.model = model
        self.transform = transform.transform_features_layer()
        self.list_types = {
            name: spec.dtype
            for name, spec in transform.raw_feature_spec().items()
            if name != f.USER_ID
        }
        vocabulary = transform.vocabulary_by_name(f.ITEM_VOCABULARY)
        self.item_ids = tf.constant([b""] * f.NUM_RESERVED + list(vocabulary))
        self.num_items = len(vocabulary) + f.NUM_RESERVED
        self.unit = unit
        self.user_fields = {
            name: tf.constant(table, tf.int64) for name, table in user_fields.items()
        }
        self.list_statistics = list_statistics
        self.num_unknown_items = num_unknown_items
        self.share_of_users = share_of_users

    def save(self, folder: str) -> None:
        """Writes the SavedModel."""
        examples = tf.TensorSpec([None], tf.string, name="examples")
        tf.saved_model.save(
            self,
            folder,
            signatures={
                "serving_default": self.score.get_concrete_function(examples),
                "evaluate": self.evaluate.get_concrete_function(examples),
                "recommend": self.recommend.get_concrete_function(
                    tf.TensorSpec([None], tf.string, name=f.USER_ID),
                    tf.TensorSpec([None, None], tf.string, name=f.HISTORY_ITEM_ID),
                    tf.TensorSpec([None, None], tf.float32, name=f.HISTORY_RATING),
                    tf.TensorSpec([None, None], tf.string, name=f.USER_FEATURES),
                    tf.TensorSpec([], tf.int32, name="k"),
                ),
            },
        )

    @tf.function
    def score(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores the candidates that each Example names.

        Args:
            examples: [B] serialized, with ``user_id``, ``candidate_item_id`` [C] and,
                as far as they are known, ``history_item_id``, ``history_rating`` (items
                without one count as liked) and side features.

        Returns:
            ``score`` [B, C], -inf where an Example has fewer candidates than others.
        """
        raw = self._parse(examples, {f.CANDIDATE_ITEM_ID: tf.string})
        raw[f.ITEM_ID] = raw.pop(f.CANDIDATE_ITEM_ID)
        raw[f.HISTORY_RATING] = _as_long_as(
            raw[f.HISTORY_ITEM_ID], raw[f.HISTORY_RATING], tf.float32.max
        )
        features, candidates = self._features(self.transform(raw))
        scores = score_candidates(self.model, features, candidates, self.num_items)
        is_real = tf.sequence_mask(raw[f.ITEM_ID].row_lengths(), tf.shape(scores)[1])
        return {"score": tf.where(is_real, scores, -float("inf"))}

    @tf.function
    def recommend(
        self,
        user_id: tf.Tensor,
        history_item_id: tf.Tensor,
        history_rating: tf.Tensor,
        user_features: tf.Tensor,
        k: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Finds the best items that are not in a user's history.

        With all that a user has rated so far it ranks as ``evaluate`` does: the model
        itself knows what is liked, and whether it reads what was liked or all.

        Args:
            user_id: [B]; one that training has not seen is scored as an unknown user.
            history_item_id: [B, H] what the user has rated so far, liked or not, oldest
                first, padded with "".
            history_rating: [B, R] the ratings of the first R of them, in the unit of
                the training data. An item without one, or with NaN, counts as liked.
            user_features: [B, N] side features, as in "user_gender=F", padded with "".
                Without any, those that training saw of the user are taken.
            k: How many; fewer come back where the catalogue has no more.

        Returns:
            ``item_id`` [B, k] and ``score`` [B, k], best first; "" and -inf where a
            user has seen so much that fewer are left.
        """
        history = tf.RaggedTensor.from_tensor(history_item_id, padding="")
        rating = _as_long_as(
            history, tf.RaggedTensor.from_tensor(history_rating), tf.float32.max
        )
        is_given = ~tf.math.is_nan(rating.flat_values)
        rating = rating.with_flat_values(
            tf.where(is_given, rating.flat_values, tf.float32.max)
        )
        raw = {
            name: tf.RaggedTensor.from_row_splits(
                tf.zeros([0], dtype),
                tf.zeros_like(history.row_splits),
                validate=False,  # half of the functions of the graph, if it were
            )
            for name, dtype in self.list_types.items()
        } | {
            f.USER_ID: user_id[:, tf.newaxis],
            f.HISTORY_ITEM_ID: history,
            f.HISTORY_RATING: rating,
        }
        raw |= {
            name: _values_of(name, user_features)
            for name in raw
            if f.is_user_feature(name)
        }
        features, _ = self._features(self.transform(raw))
        scores, unseen, _ = score_unseen(self.model, features, self.num_items)
        top = tf.math.top_k(
            tf.where(unseen, scores, -float("inf")),
            tf.minimum(k, self.num_items - f.NUM_RESERVED),
        )
        item_id = tf.gather(self.item_ids, top.indices + f.NUM_RESERVED)
        is_left = top.values > -float("inf")
        return {"item_id": tf.where(is_left, item_id, b""), "score": top.values}

    @tf.function
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Ranks the targets of eval or test records.

        Args:
            examples: [B] serialized, as ``RatingsExampleGen`` writes them.

        Returns:
            For each target, [B, T]: ``label`` (-1 for padding and for what was neither
            liked nor disliked), ``score``, ``probability`` of being liked, ``error``
            (in stars where scores are stars, else of the probability; NaN, as the
            probability is, where scores only put items in an order) and ``rank``, which
            is 0 for padding and for users who are not in the sample; for each user
            ``num_candidates`` and ``catalogue_size`` [B], ``top_item`` [B, 10] and what
            ``ListStatistics`` says of it [B].
        """
        raw = self._parse(examples, {})
        transformed = self.transform(raw)
        features, targets = self._features(transformed)
        place = tf.strings.to_hash_bucket_strong(
            raw[f.USER_ID][:, 0], HASHES, list(HASH_KEY)
        )
        is_in_sample = tf.cast(place, tf.float64) < self.share_of_users * HASHES
        # A batch with nobody to rank has no shape; the first one's rank is dropped.
        is_first = tf.range(tf.shape(targets)[0]) == 0
        rows = tf.where(is_in_sample | is_first)[:, 0]
        ranked = rank_targets(
            self.model,
            {name: tf.gather(value, rows) for name, value in features.items()},
            tf.gather(targets, rows),
            self.num_items,
            self.num_unknown_items,
            NUM_TOP,
        )
        num_users = tf.shape(targets, tf.int64)[0]
        ranked = {
            name: tf.scatter_nd(
                rows[:, tf.newaxis],
                value,
                tf.concat([[num_users], tf.shape(value, tf.int64)[1:]], 0),
            )
            for name, value in ranked.items()
        }
        if self.share_of_users < 1:
            ranked["rank"] *= tf.cast(is_in_sample, tf.int64)[:, tf.newaxis]
            ranked["score"] = score_candidates(
                self.model, features, targets, self.num_items
            )
        label = transformed[f.LABEL].to_tensor(f.NEITHER)
        probability = self._probability(ranked["score"])
        if self.unit == "stars":
            error = ranked["score"] - transformed[f.RATING].to_tensor()
        else:
            error = probability - tf.cast(label, tf.float32)
        catalogue_size = self.num_items - f.NUM_RESERVED + self.num_unknown_items
        lists = self.list_statistics(ranked["top_item"], features[f.HISTORY_ITEM_INDEX])
        return (
            ranked
            | lists
            | {
                "probability": probability,
                "error": error,
                "label": label,
                "catalogue_size": tf.fill([num_users], catalogue_size),
            }
        )

    def _probability(self, score: tf.Tensor) -> tf.Tensor:
        if self.unit == "logit":
            return tf.nn.sigmoid(score)
        return tf.fill(tf.shape(score), float("nan"))

    def _parse(
        self, examples: tf.Tensor, more: Mapping[str, tf.DType]
    ) -> dict[str, tf.RaggedTensor]:
        lists = {
            name: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
            for name, dtype in {**self.list_types, **more}.items()
        }
        nobody = tf.io.FixedLenFeature([1], tf.string, default_value=b"")
        return tf.io.parse_example(examples, {f.USER_ID: nobody, **lists})

    def _features(
        self, transformed: Mapping[str, tf.RaggedTensor]
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """What a model reads of the users, and ``item_index`` [B, C], padded with 0."""
        user = transformed[f.USER_INDEX][:, 0]
        fields = {
            name: self._user_field(
                transformed[name].to_tensor(), tf.gather(table, user)
            )
            for name, table in self.user_fields.items()
        }
        return fields | {
            f.USER_INDEX: user,
            f.HISTORY_ITEM_INDEX: transformed[f.HISTORY_ITEM_INDEX].to_tensor(),
            f.HISTORY_LABEL: transformed[f.HISTORY_LABEL].to_tensor(),
        }, transformed[f.ITEM_INDEX].to_tensor()

    @staticmethod
    def _user_field(told: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """The values [B, L] that a request tells, or else those that training saw."""
        width = tf.maximum(tf.shape(told)[1], tf.shape(known)[1])
        told, known = (
            tf.pad(values, [[0, 0], [0, width - tf.shape(values)[1]]])
            for values in (told, known)
        )
        is_told = tf.reduce_any(told != f.PADDING_INDEX, 1, keepdims=True)
        return tf.where(is_told, told, known)


def _as_long_as(
    items: tf.RaggedTensor, values: tf.RaggedTensor, otherwise: float
) -> tf.RaggedTensor:
    """The first values of each row, as many as there are items."""
    length = items.row_lengths()
    missing = tf.reduce_max(length) - values.bounding_shape(axis=1)
    dense = tf.pad(
        values.to_tensor(otherwise),
        [[0, 0], [0, tf.maximum(missing, 0)]],
        constant_values=otherwise,
    )
    return tf.RaggedTensor.from_tensor(dense, length)


def _values_of(name: str, named: tf.Tensor) -> tf.RaggedTensor:
    """The values of one side feature among "name=value" [B, N] of several."""
    is_it = tf.strings.regex_full_match(named, f"{re.escape(name)}=(?s:.*)")
    values = tf.ragged.boolean_mask(named, is_it)
    return values.with_flat_values(
        tf.strings.substr(values.flat_values, len(f"{name}=".encode()), _TO_THE_END)
    )

"""Transforms raw user records into indices and labels, in training and in serving."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules import features as f
from trainer_modules.feature_buckets import in_buckets
from trainer_modules.feature_vectors import given_vectors, scaled
from trainer_modules.feature_weights import split_weights
from trainer_modules.labels import label

# Share of the users by which a boundary between buckets may be misplaced.
_EPSILON = 1e-4


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Replaces ids by vocabulary indices, and ratings by labels.

    The vocabularies are those of the ``train`` split. Items with fewer than
    ``min_item_ratings`` ratings are left out, and so train the unknown row.

    Args:
        inputs: The raw features of ``features.py``: ``user_id`` [B, 1], others ragged
            [B, (N)].
        custom_config: ``label_threshold`` and ``label_negative`` (see
            ``labels.label``), ``min_item_ratings``, ``leave_out`` (names of side
            features) and ``kinds`` (those that are not categories, with their
            ``features.Kind``); with types of events, ``judged`` (names of types); and
            ``keeps_repeats`` if a user may have several rows of an item and type.

    Returns:
        ``user_index`` [B, 1]; ``item_index`` and ``label``, the same two with the
        prefix ``history_``, and ``<name>_index`` for each side feature of the user, all
        ragged [B, (N)]; all of these are int64. A vector of D numbers is
        ``<name>_vector`` instead, float32 [B, D], scaled by those of the ``train``
        split; zeros if it is missing. Categories with weights have these in
        ``<name>_weight``, float32 [B, (N)]. ``rating``, ``timestamp`` and
        ``history_timestamp`` are returned unchanged; the times have no values if the
        log or its schema has none. With types of events or ``keeps_repeats``,
        ``judged`` is 1 for rows of a judged type or without a type, but with
        ``keeps_repeats`` only for the first one of an item with the same label; and
        ``history_left_out`` for an item's last row that is of a judged type, is
        disliked or has no type; else 0. With types, ``history_weight`` is float32, 1
        for an item without a weight.
    """

    def labels(rating: tf.RaggedTensor) -> tf.RaggedTensor:
        return label(
            rating, custom_config["label_threshold"], custom_config["label_negative"]
        )

    users = _vocabulary(inputs[f.USER_ID], f.USER_VOCABULARY, min_count=None)
    items = _vocabulary(
        inputs[f.ITEM_ID].flat_values,
        f.ITEM_VOCABULARY,
        custom_config["min_item_ratings"],
    )
    kinds = {
        name: f.Kind(*kind) if (kind := custom_config["kinds"].get(name)) else None
        for name in sorted(filter(f.is_user_feature, inputs))
        if name not in custom_config["leave_out"]
    }
    vectors = {n: kind.size for n, kind in kinds.items() if kind and kind.is_vector}
    weighted = {
        name: split_weights(inputs[name])
        for name, kind in kinds.items()
        if kind and kind.is_weighted
    }
    user_features = {
        name: _categories(inputs[name], kind)
        for name, kind in kinds.items()
        if name not in {*vectors, *weighted}
    } | {name: categories for name, (categories, _) in weighted.items()}
    target, history = _indices([inputs[f.ITEM_ID], inputs[f.HISTORY_ITEM_ID]], items)
    return {
        f.USER_INDEX: _known_or_unknown(inputs[f.USER_ID], users),
        f.ITEM_INDEX: target,
        f.HISTORY_ITEM_INDEX: history,
        f.LABEL: labels(inputs[f.RATING]),
        f.HISTORY_LABEL: labels(inputs[f.HISTORY_RATING]),
        f.RATING: inputs[f.RATING],
        f.TIMESTAMP: inputs.get(f.TIMESTAMP, _nothing(target)),
        f.HISTORY_TIMESTAMP: inputs.get(f.HISTORY_TIMESTAMP, _nothing(history)),
        **_of_events(inputs, labels, custom_config),
        **_user_feature_indices(user_features),
        **{f.vector_of(n): _vectors(inputs[n], size) for n, size in vectors.items()},
        **{f.weight_of(n): weights for n, (_, weights) in weighted.items()},
    }


def _of_events(
    inputs: dict[str, tf.Tensor],
    labels: Callable[[tf.RaggedTensor], tf.RaggedTensor],
    custom_config: dict[str, Any],
) -> dict[str, tf.RaggedTensor]:
    """Returns which rows are judged and left out, and weights; nothing if all are."""
    types = custom_config.get("judged")
    keeps_repeats = custom_config.get("keeps_repeats", False)
    if types is None and not keeps_repeats:
        return {}
    rating, history_rating = inputs[f.RATING], inputs[f.HISTORY_RATING]

    def is_judged(rows: tf.RaggedTensor, event_type: str) -> tf.Tensor:
        if types is None:
            return tf.ones_like(rows.flat_values, tf.bool)
        events = inputs[event_type].flat_values
        return tf.reduce_any([events == name for name in ("", *types)], 0)

    judged = is_judged(rating, f.EVENT_TYPE)
    if keeps_repeats:
        judged = _first_of_each(inputs[f.ITEM_ID], judged, labels(rating).flat_values)
    else:
        judged = inputs[f.EVENT_TYPE].with_flat_values(tf.cast(judged, tf.int64))
    is_out = is_judged(history_rating, f.HISTORY_EVENT_TYPE)
    is_out |= labels(history_rating).flat_values == f.DISLIKED
    found = {
        f.JUDGED: judged,
        f.HISTORY_LEFT_OUT: _marked(inputs[f.HISTORY_ITEM_ID], is_out, "last"),
    }
    if types is not None:
        weight = tf.abs(history_rating.flat_values)
        weight = tf.where(weight < tf.float32.max, weight, 1.0)
        found[f.HISTORY_WEIGHT] = history_rating.with_flat_values(weight)
    return found


def _first_of_each(
    ids: tf.RaggedTensor, chosen: tf.Tensor, label: tf.Tensor
) -> tf.RaggedTensor:
    """Returns 1 for the first chosen row of an item with each label, else 0.

    An item that a user buys three times in the test split is once on a list.
    """
    marks = [
        _marked(ids, chosen & (label == own), "first")
        for own in (f.LIKED, f.DISLIKED, f.NEITHER)
    ]
    return marks[0].with_flat_values(tf.add_n([each.flat_values for each in marks]))


def _marked(
    ids: tf.RaggedTensor, chosen: tf.Tensor, which: Literal["first", "last"]
) -> tf.RaggedTensor:
    """Returns 1 for the first or the last chosen row of each id in a list, else 0.

    Args:
        ids: Lists of ids, ragged [B, (N)].
        chosen: Which rows may be marked, for the rows of all lists; none of those that
            it lacks, such as the candidates of a request, which have no types.
        which: Which of them is marked.
    """
    size = tf.size(ids.flat_values)
    chosen = tf.pad(chosen, [[0, size - tf.size(chosen)]])
    item = tf.cast(tf.unique(ids.flat_values).idx, tf.int64)
    pair = ids.value_rowids() * tf.cast(size, tf.int64) + item
    pair = tf.unique(pair).idx
    place = tf.range(1, size + 1)
    place = tf.where(chosen, place if which == "last" else size + 1 - place, 0)
    best = tf.gather(tf.math.unsorted_segment_max(place, pair, size), pair)
    return ids.with_flat_values(tf.cast(chosen & (place == best), tf.int64))


def _user_feature_indices(
    user_features: dict[str, tf.RaggedTensor],
) -> dict[str, tf.RaggedTensor]:
    """Returns the vocabulary indices of side features, by ``<name>_index``.

    All of them share one vocabulary of "name=value": each vocabulary costs a dozen Beam
    stages, and models look all of them up in one table.
    """
    named = {name: _named(values, name) for name, values in user_features.items()}
    vocabulary = _vocabulary(
        tf.concat([values.flat_values for values in named.values()] or [[""]], 0),
        f.USER_FEATURE_VOCABULARY,
        min_count=None,
    )
    indices = _indices(list(named.values()), vocabulary) if named else []
    return {f.index_of(name): index for name, index in zip(named, indices, strict=True)}


def _vectors(values: tf.RaggedTensor, size: int) -> tf.Tensor:
    """Returns scaled vectors, [B, D]; analyzers ignore the NaN of missing ones."""
    vectors = given_vectors(values, size)
    mean, variance = (
        statistic(vectors, reduce_instance_dims=False, output_dtype=tf.float64)
        for statistic in (tft.mean, tft.var)
    )
    return scaled(vectors, mean, variance)


def _categories(values: tf.RaggedTensor, kind: f.Kind | None) -> tf.RaggedTensor:
    """Returns the categories that a side feature's values are, or are made to be."""
    if kind is None:
        return values
    return in_buckets(
        values,
        kind,
        lambda numbers, buckets: tft.quantiles(numbers, buckets, epsilon=_EPSILON)[0],
    )


def _nothing(lists: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns as many lists of integers, all of them empty."""
    return tf.RaggedTensor.from_row_splits(
        tf.zeros([0], tf.int64), tf.zeros_like(lists.row_splits), validate=False
    )


def _named(values: tf.RaggedTensor, name: str) -> tf.RaggedTensor:
    return values.with_flat_values(name + "=" + values.flat_values)


def _vocabulary(ids: tf.Tensor, name: str, min_count: int | None) -> tf.Tensor:
    return tft.vocabulary(ids, frequency_threshold=min_count, vocab_filename=name)


def _indices(
    lists: Sequence[tf.RaggedTensor], vocabulary: tf.Tensor
) -> list[tf.RaggedTensor]:
    """Returns the indices of several lists of ids.

    They are looked up together: each lookup makes a table of its own, which every
    process that loads an exported model fills once more.
    """
    ids = tf.concat([ids.flat_values for ids in lists], 0)
    sizes = tf.stack([tf.size(ids.flat_values) for ids in lists])
    parts = tf.split(_known_or_unknown(ids, vocabulary), sizes, num=len(lists))
    return [ids.with_flat_values(part) for ids, part in zip(lists, parts, strict=True)]


def _known_or_unknown(ids: tf.Tensor, vocabulary: tf.Tensor) -> tf.Tensor:
    return tft.apply_vocabulary(ids, vocabulary, default_value=-1) + f.NUM_RESERVED

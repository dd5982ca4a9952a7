"""Starts a training from the live model's weights, matching table rows by id.

Vocabularies are ordered by frequency, so the same row of a table belongs to another id
in each training; all other weights are copied unchanged. The live model is read as
data: the checkpoint of its SavedModel, its vocabularies and its card. None of its
functions is loaded or run.
"""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.interactions import Indices
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.model_card import ModelCard, from_json, read_card, to_json
from trainer_modules.sizes import Sizes, Vocabulary

Weights = npt.NDArray[np.float32]
Vocabularies = Mapping[Vocabulary, Sequence[bytes]]  # without the reserved rows

ITEM_VALUES_FILE = "assets.extra/item_values.json"  # in an exported model
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # TensorFlow's, in every checkpoint
# The settings of ``GradientConfig`` that decide what is learnt. The others decide how,
# and may differ from the live model's.
WHAT_IS_LEARNT = ("task", "loss")

progress_log = logging.getLogger("marquee.progress")


class UnfitError(Exception):
    """The live model's weights do not fit the training; the message explains why."""


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a training starts; without arguments, from scratch.

    Attributes:
        weights: Values of all variables by their path of attribute names in the model;
            empty to start from scratch.
        warm_start: Entry of the card: ``from`` (the Model artifact), ``users_kept`` and
            ``items_kept`` of the live model, ``new_users`` and ``new_items``.
        from_scratch: Entry of the card: why a warm start was wanted but impossible.
    """

    weights: Mapping[str, Weights] = dataclasses.field(default_factory=dict)
    warm_start: Mapping[str, str | int] | None = None
    from_scratch: str | None = None

    def give(self, model: tf.keras.Model, sizes: Sizes) -> None:
        """Assigns the weights to a new model, within its strategy's scope."""
        if self.weights:
            for path, variable in _variables(model, sizes).items():
                variable.assign(self.weights[path])


def find_start(
    live_folder: str | None,
    model: tf.keras.Model,
    sizes: Sizes,
    vocabularies: Callable[[], Vocabularies],
    card: ModelCard,
) -> Start:
    """Returns a start from the live model, or one from scratch if that does not fit.

    An id that the live model does not have starts from the live model's row for unknown
    ids, by which it was scored so far. The result is logged.

    Args:
        live_folder: The live SavedModel; None if nothing is live.
        model: A new model; its variables are listed, not changed.
        sizes: Table sizes and fields of the new model.
        vocabularies: Reads the new model's vocabularies; called only if there is a live
            model.
        card: Card of the new model, before its training.
    """
    try:
        if live_folder is None:
            raise UnfitError(
                "there is no live model, or it was trained on the same data"
            )
        live_card = read_card(live_folder)
        _check(live_card, from_json(to_json(card)))  # tuples are lists there
        start = _remapped(live_folder, live_card.origin, model, sizes, vocabularies())
    except UnfitError as error:
        start = Start(from_scratch=str(error))
    except (KeyError, OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        start = Start(from_scratch=f"the live model cannot be read: {reason}")
    progress_log.info("%s starts %s", card.model, _in_words(start))
    return start


def _in_words(start: Start) -> str:
    if start.warm_start is None:
        return f"from scratch: {start.from_scratch}"
    return (
        "from the live model, with {users_kept} of its users and {items_kept} of its "
        "items; {new_users} users and {new_items} items are new"
    ).format(**start.warm_start)


def live_rows(live: Sequence[bytes], now: Sequence[bytes]) -> Indices:
    """Returns, for each row of a new table, the live table's row of the same entry.

    Args:
        live: The live model's vocabulary, without the reserved rows.
        now: The new model's vocabulary, without the reserved rows.

    Returns:
        Rows of the live table, [len(now) + 2]; ``UNKNOWN_INDEX`` for entries that it
        does not have.
    """
    row_of = {entry: row for row, entry in enumerate(live, start=f.NUM_RESERVED)}
    known = [row_of.get(entry, f.UNKNOWN_INDEX) for entry in now]
    return np.array([f.PADDING_INDEX, f.UNKNOWN_INDEX, *known], np.int32)


def read_vocabularies(folder: str, item_values: Sequence[bytes]) -> Vocabularies:
    """Reads the vocabularies of a transform graph, or of a model that contains one.

    Args:
        folder: Folder of the SavedModel.
        item_values: The vocabulary that no graph has (``sizes.read_item_fields``).
    """

    def entries(name: str) -> list[bytes]:
        path = f"{folder}/{tf.saved_model.ASSETS_DIRECTORY}/{name}"
        with tf.io.gfile.GFile(path, "rb") as file:
            return [line.rstrip(b"\n") for line in file]

    return {
        "user": entries(f.USER_VOCABULARY),
        "item": entries(f.ITEM_VOCABULARY),
        "user_value": entries(f.USER_FEATURE_VOCABULARY),
        "item_value": item_values,
    }


def write_item_values(model_folder: str, item_values: Sequence[bytes]) -> None:
    """Writes the vocabulary that a later warm start cannot read from the graph."""
    path = f"{model_folder}/{ITEM_VALUES_FILE}"
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps([value.decode() for value in item_values]))


def _check(live: ModelCard, new: ModelCard) -> None:
    """Compares the cards of the live and of the new model.

    Raises:
        UnfitError: If the models differ in what their weights mean, or if the live
            model may have learnt what is held out now.
    """
    for found, wanted, what in (
        (live.model, new.model, "is {}, not {}"),
        (live.fields, new.fields, "reads the fields {}, not {}"),
        (live.context, new.context, "reads the times' fields {}, not {}"),
        (live.split, new.split, "was trained with the split {}, not {}"),
    ):
        if found != wanted:
            raise UnfitError("the live model " + what.format(found, wanted))
    if live.config.get("refit"):
        # The first epoch would be chosen: a model does not improve on data it has seen.
        raise UnfitError("the live model has learnt from the eval split too (refit)")
    may_change = {field.name for field in dataclasses.fields(GradientConfig)}
    may_change -= {*WHAT_IS_LEARNT}
    for name, value in new.config.items():
        if name in may_change:
            continue
        if name not in live.config:
            raise UnfitError(
                f"the live model has no setting {name}; the new one has {value}"
            )
        if live.config[name] != value:
            raise UnfitError(
                f"the live model has the {name} {live.config[name]}, not {value}"
            )


def _remapped(
    folder: str,
    origin: str,
    model: tf.keras.Model,
    sizes: Sizes,
    vocabularies: Vocabularies,
) -> Start:
    """Returns the live model's weights, with the rows of the new vocabularies."""
    with tf.io.gfile.GFile(f"{folder}/{ITEM_VALUES_FILE}") as file:
        values = [value.encode() for value in json.loads(file.read())]
    live = read_vocabularies(folder, values)
    # Row of the new table → row of the live one.
    rows = {name: live_rows(live[name], vocabularies[name]) for name in live}
    read = _reader(folder)
    variables = _variables(model, sizes)
    vocabulary_of: dict[Any, Vocabulary] = {
        layer.embeddings.ref(): layer.vocabulary
        for layer in model.submodules
        if isinstance(layer, VectorTable) and layer.vocabulary in live
    }
    weights = {}
    for path, variable in variables.items():
        weight = read(path)
        if variable.ref() in vocabulary_of:
            name = vocabulary_of[variable.ref()]
            if len(weight) != len(live[name]) + f.NUM_RESERVED:
                raise UnfitError(
                    f"the live model's {path} has {len(weight)} rows, and its "
                    f"vocabulary {len(live[name])} entries"
                )
            weight = weight[rows[name]]
        if weight.shape != tuple(variable.shape):
            raise UnfitError(
                f"the live model's {path} would be {list(weight.shape)}, and "
                f"{list(variable.shape)} is needed"
            )
        weights[path] = weight
    users, items = (
        int(np.count_nonzero(rows[name] >= f.NUM_RESERVED)) for name in ("user", "item")
    )
    warm_start: Mapping[str, str | int] = {
        "from": origin,
        "users_kept": users,
        "items_kept": items,
        "new_users": len(vocabularies["user"]) - users,
        "new_items": len(vocabularies["item"]) - items,
    }
    return Start(weights, warm_start)


def _reader(folder: str) -> Callable[[str], Weights]:
    """Returns a function that reads a variable of an exported model by its path.

    A SavedModel's checkpoint numbers the variables of a Keras model; their paths are in
    the graph of objects.
    """
    checkpoint = tf.train.load_checkpoint(
        f"{folder}/{tf.saved_model.VARIABLES_DIRECTORY}"
        f"/{tf.saved_model.VARIABLES_FILENAME}"
    )
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        checkpoint.get_tensor(OBJECT_GRAPH)
    )

    def read(path: str) -> Weights:
        node = graph.nodes[0]
        for name in ("model", *path.split(".")):
            number = {child.local_name: child.node_id for child in node.children}
            if name not in number:
                raise UnfitError(f"the live model has no variable {path}")
            node = graph.nodes[number[name]]
        [attribute] = node.attributes
        weights: Weights = checkpoint.get_tensor(attribute.checkpoint_key)
        return weights

    return read


def _variables(model: tf.keras.Model, sizes: Sizes) -> dict[str, tf.Variable]:
    """Returns a model's variables by path.

    Layers create their variables at the first batch: here, one of padding.
    """
    padding = tf.fill([1, 1], tf.constant(f.PADDING_INDEX, tf.int64))
    lists = (
        *(f.HISTORY_ITEM_INDEX, f.HISTORY_LABEL, f.HISTORY_TIMESTAMP, f.ITEM_INDEX),
        *sizes.user_fields,
    )
    vectors = {
        name: tf.zeros([1, length]) for name, length in sizes.user_vectors.items()
    }
    weights = dict.fromkeys(sizes.user_weights.values(), tf.zeros([1, 1]))
    model(
        {
            f.USER_INDEX: padding[0],
            f.CONTEXT: tf.fill([1, sizes.num_context_fields], f.PADDING_INDEX),
            **dict.fromkeys(lists, padding),
            **vectors,
            **weights,
        }
    )
    variables: dict[str, tf.Variable] = model.get_weight_paths()
    return variables

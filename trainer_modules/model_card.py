"""The card of an exported model: what it is and how it was trained."""

import json
from typing import Any

import tensorflow as tf

from trainer_modules import features as f


def write_card(model_folder: str, card: dict[str, Any]) -> None:
    """Writes or replaces the card in a SavedModel's folder for extra files."""
    path = f"{model_folder}/{f.CARD_FILE}"
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(card, indent=1))


def read_card(model_folder: str) -> dict[str, Any]:
    """Reads the card of a SavedModel.

    Returns:
        ``model`` (its name), ``recipe`` (the same for all models with the same settings
        and code), ``config``, ``fields`` (side features that it may read, in order),
        ``split`` (settings), ``warm_start`` and ``from_scratch`` (where its training
        started, see ``warm_start.Start``), ``parameters``, ``train_seconds``,
        ``samples_per_second``, ``epochs`` and ``share_of_users`` (that ``evaluate``
        ranks for). A champion also has ``origin`` and, if it learned from spans,
        ``newest_span``.
    """
    with tf.io.gfile.GFile(f"{model_folder}/{f.CARD_FILE}") as file:
        card: dict[str, Any] = json.loads(file.read())
    return card

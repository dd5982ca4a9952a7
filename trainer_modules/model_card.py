"""The card of an exported model: what it is and how it was trained.

TensorFlow, which opens files of any file system, is imported by the functions that need
it: reading a card from text imports nothing slow.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from trainer_modules import features as f
from trainer_modules.configs.list_rules import Rules


class ModelCard(msgspec.Struct, frozen=True):
    """What a model is and how it was trained.

    Entries that cards of older releases lack have defaults. Unknown entries are
    ignored, such as those that a push adds (``versions.Version`` has them).

    Attributes:
        model: Name of the model in the registry.
        parameters: Number of weights.
        config: The model's own settings.
        recipe: ID of the model, its settings and the code; the data do not change it.
            "" in a card of an older release.
        fields: Side features that it may read, in order.
        split: Settings of the split.
        warm_start: The weights that its training started from (``warm_start.Start``);
            None if it started from scratch.
        from_scratch: Why a warm start was wanted but impossible; None otherwise.
        train_seconds: Duration of the training.
        samples_per_second: Speed of the training; None for a closed form.
        epochs: Number of epochs of the training; None for a closed form.
        share_of_users: Share of the users that ``evaluate`` ranks for, at most 1.
        events: Type of events that it learned from → weight, below 0 for dislikes and 0
            for context; empty without types.
        judged: Types of the events that it was judged on.
        again_after: For how many seconds its lists leave items out; None for ever.
        context: The ``fields`` of times that it reads, and their ``timezone``; None if
            it reads none.
        rules: What its lists may contain, and in which order; None without rules.
        origin: The Model artifact that a champion is a copy of (``place_of``); "" if
            the model was never chosen.
        newest_span: Newest span that a champion learned from; "" if there are no spans.
    """

    model: str
    parameters: int
    config: Mapping[str, object]
    recipe: str = ""
    fields: Sequence[str] | None = None
    split: Mapping[str, object] | None = None
    warm_start: Mapping[str, str | int] | None = None
    from_scratch: str | None = None
    train_seconds: float | None = None
    samples_per_second: float | None = None
    epochs: int | None = None
    share_of_users: float | None = None
    events: Mapping[str, float] = {}
    judged: Sequence[str] = ()
    again_after: int | None = None
    context: Mapping[str, object] | None = None
    rules: Rules | None = None
    origin: str = ""
    newest_span: str = ""


def to_json(card: ModelCard) -> str:
    """Returns the content of a card's file; entries that are "" are left out."""
    entries = msgspec.to_builtins(card)
    return json.dumps(
        {name: value for name, value in entries.items() if value != ""}, indent=1
    )


def from_json(text: str) -> ModelCard:
    """Returns the card that a file contains.

    Raises:
        ValueError: If the file is not JSON, or an entry is of the wrong type.
    """
    return msgspec.convert(json.loads(text), ModelCard)  # unlike msgspec, accepts NaN


def write_card(model_folder: str, card: ModelCard) -> None:
    """Writes or replaces the card in a SavedModel's folder for extra files."""
    import tensorflow as tf

    path = f"{model_folder}/{f.CARD_FILE}"
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(to_json(card))


def read_card(model_folder: str) -> ModelCard:
    """Reads the card of a SavedModel.

    Raises:
        ValueError: See ``from_json``.
    """
    import tensorflow as tf

    with tf.io.gfile.GFile(f"{model_folder}/{f.CARD_FILE}") as file:
        return from_json(file.read())

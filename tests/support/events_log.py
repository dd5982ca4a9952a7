"""A small log of events, through the real transform graph."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.support.examples import serialize
from tests.support.transform import TRANSFORM_CONFIG, run_transform
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.sizes import Sizes

NUM_USERS, NUM_ITEMS = 30, 12
TYPES = [
    schema_pb2.Feature(name=name, type=schema_pb2.BYTES)
    for name in (f.EVENT_TYPE, f.HISTORY_EVENT_TYPE)
]
# A user's event: item, type, rating, time.
Event = tuple[str, str, float, int]


@dataclasses.dataclass(frozen=True)
class EventsLog:
    """What a Trainer is given, and the records that it was made from.

    Attributes:
        output: The transform output.
        data: The transformed splits and their sizes.
        past: User → events of train.
        later: User → events of eval.
        records: Examples of the eval split, as RatingsExampleGen writes them.
    """

    output: tft.TFTransformOutput
    data: Data
    past: dict[str, list[Event]]
    later: dict[str, list[Event]]
    records: list[bytes]


def make_events(
    weights: Mapping[str, float],
) -> tuple[dict[str, list[Event]], dict[str, list[Event]]]:
    """Returns random events of train and of eval, some items with several types."""
    random = np.random.default_rng(5)
    past, later = {}, {}
    for user in range(NUM_USERS):
        rows = [
            (f"i{item:02}", kind, weights[kind])
            for item in random.permutation(NUM_ITEMS)[:7]
            for kind in random.permutation(list(weights))[: random.integers(1, 3)]
        ]
        events = [(*row, 1000 + place) for place, row in enumerate(rows)]
        past[f"u{user:02}"], later[f"u{user:02}"] = events[:-3], events[-3:]
    return past, later


def example(
    user: str, targets: list[Event], history: list[Event], types: bool
) -> bytes:
    """Returns an Example of a user, with or without types of events."""
    lists = {}
    for prefix, events in (("", targets), (f.HISTORY_PREFIX, history)):
        if not events:
            continue
        item, kind, rating, time = zip(*events, strict=True)
        lists[prefix + f.ITEM_ID] = [each.encode() for each in item]
        lists[prefix + f.RATING] = [float(each) for each in rating]
        lists[prefix + f.TIMESTAMP] = list(time)
        if types:
            lists[prefix + f.EVENT_TYPE] = [each.encode() for each in kind]
    return serialize(user_id=[user.encode()], **lists)


def write_events_log(
    folder: Path,
    weights: Mapping[str, float],
    judged: list[str] | None,
    threshold: str = "> 0",
) -> EventsLog:
    """Runs Transform on random events.

    Args:
        folder: An empty folder.
        weights: Type → rating of its events.
        judged: The judged types; None to leave all types out, as a log of ratings.
        threshold: Which ratings are likes.
    """
    past, later = make_events(weights)
    has_types = judged is not None
    splits = {
        f.TRAIN_SPLIT: [example(user, past[user], [], has_types) for user in past],
        f.EVAL_SPLIT: [
            example(user, later[user], past[user], has_types) for user in past
        ],
    }
    config = TRANSFORM_CONFIG | {"label_threshold": threshold}
    if has_types:
        config |= {"label_negative": "< 0", "judged": judged}
    output, files = run_transform(
        folder, splits, config, more=TYPES if has_types else ()
    )
    num_items = len(output.vocabulary_by_name(f.ITEM_VOCABULARY))
    data = Data(
        [files[f.TRAIN_SPLIT]],
        [files[f.EVAL_SPLIT]],
        output.transformed_feature_spec(),
        Sizes(NUM_USERS + f.NUM_RESERVED, num_items + f.NUM_RESERVED),
        num_unknown_items=0,
    )
    return EventsLog(output, data, past, later, splits[f.EVAL_SPLIT])

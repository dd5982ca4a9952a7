"""A log with a planted pattern, through the real transform graph."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.support.catalogue import write_catalogue
from tests.support.examples import serialize
from tests.support.transform import TRANSFORM_CONFIG, run_transform
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.sizes import (
    Sizes,
    read_item_fields,
    user_fields,
    user_vectors,
    user_weights,
)

DAY, START = 86_400, 978_300_000
ITEMS_PER_COLOUR = 12
NUM_USERS = 48
# Side features of users and items; none of them reveals the colour.
GENDERS = [[b"F"], [b"M"], []]
OCCUPATIONS = [[b"cook", b"poet"], [b"cook"], [], [b"nurse", b"poet", b"cook"]]
GENRES = [["Drama", "War"], [], ["War"], ["Comedy", "Drama", "War"]]
TASTES = [[0.5, -2.0, 1.0], [], [3.0, 0.25, -1.0], [0.0, 1.5, 2.0], [-4.0, 0.5, 0.0]]
MOODS = [[b"calm:0.5", b"loud:2"], [], [b"loud:1"]]
TAGS = [["new:0.25", "old:1"], ["old:3.0"], []]
COVERS = [[10.0, 2.0], [-7.0, 5.0], []]


@dataclasses.dataclass(frozen=True)
class Planted:
    """A checkerboard: users like items of their own colour only.

    Attributes:
        output: The transform output.
        data: The transformed splits and their sizes.
        records: Examples of the eval split, as RatingsExampleGen writes them.
        never_rated: User ID → the item of the user's colour that has no rating by
            this user.
    """

    output: tft.TFTransformOutput
    data: Data
    records: list[bytes]
    never_rated: dict[bytes, bytes]


def plant(folder: Path) -> Planted:
    """Plants a checkerboard.

    Each user rates eleven of the twelve items of the user's own colour and five items
    of the other colour. The last of each are held out for eval.
    """
    random, in_time = np.random.default_rng(1), np.random.default_rng(2)
    train, held_out, never_rated = [], [], {}
    for user in range(NUM_USERS):
        own, other = (
            [f"{colour}{n:02}".encode() for n in random.permutation(ITEMS_PER_COLOUR)]
            for colour in ("bw", "wb")[user % 2]
        )
        never_rated[f"u{user:02}".encode()] = own[11]
        # The order in time is random; otherwise next_item would learn the order.
        stars = [*[(i, 5.0) for i in own[:10]], *[(i, 1.0) for i in other[:4]]]
        past, rating = zip(*(stars[n] for n in in_time.permutation(14)), strict=True)
        known = {
            "user_id": [f"u{user:02}".encode()],
            "user_gender": GENDERS[user % 3],
            "user_occupation": OCCUPATIONS[user // 2 % 4],
            "user_taste": TASTES[user // 2 % 5],
            "user_moods": MOODS[user // 2 % 3],
        }
        times = [START + user + day * DAY for day in range(16)]
        train.append(
            serialize(item_id=past, rating=rating, timestamp=times[:14], **known)
        )
        held_out.append(
            serialize(
                item_id=[own[10], other[4]],
                rating=[4.0, 2.0],
                timestamp=times[14:],
                history_item_id=past,
                history_rating=rating,
                history_timestamp=times[:14],
                **known,
            )
        )
    splits = {f.TRAIN_SPLIT: train, f.EVAL_SPLIT: held_out}
    kinds = {"user_taste": [f.VECTOR, 3], "user_moods": [f.WEIGHTED, 0]}
    taste = schema_pb2.Feature(
        name="user_taste",
        type=schema_pb2.FLOAT,
        value_count=schema_pb2.ValueCount(min=3, max=3),
    )
    moods = schema_pb2.Feature(name="user_moods", type=schema_pb2.BYTES)
    output, files = run_transform(
        folder, splits, TRANSFORM_CONFIG | {"kinds": kinds}, more=[taste, moods]
    )
    data = Data(
        [files[f.TRAIN_SPLIT]],
        [files[f.EVAL_SPLIT]],
        output.transformed_feature_spec(),
        _sizes(folder, output),
        num_unknown_items=0,
        reads_times=True,
    )
    return Planted(output, data, held_out, never_rated)


def _sizes(folder: Path, output: tft.TFTransformOutput) -> Sizes:
    items = [f"{colour}{n:02}" for colour in "bw" for n in range(ITEMS_PER_COLOUR)]
    genres = [GENRES[n % 4] for n in range(len(items))]
    tags = [TAGS[n % 3] for n in range(len(items))]
    covers = [COVERS[n % 3] for n in range(len(items))]
    catalogue = write_catalogue(
        folder,
        [*items, "rare"],
        {"item_cover": f.Kind(f.VECTOR, 2), "item_tags": f.Kind(f.WEIGHTED, 0)},
        item_genres=[*genres, ["Western"]],
        item_cover=[*covers, [1.0, 1.0]],
        item_tags=[*tags, []],
    )
    item_ids, user_values = (
        output.vocabulary_by_name(name)
        for name in (f.ITEM_VOCABULARY, f.USER_FEATURE_VOCABULARY)
    )
    item_fields, item_values = read_item_fields(catalogue, item_ids)
    feature_spec = output.transformed_feature_spec()
    vectors = user_vectors(feature_spec)
    return Sizes(
        num_users=NUM_USERS + f.NUM_RESERVED,
        num_items=len(items) + f.NUM_RESERVED,
        user_fields=(*user_fields(user_values), *vectors),
        user_vectors=vectors,
        user_weights=user_weights(feature_spec),
        num_user_values=len(user_values) + f.NUM_RESERVED,
        item_fields=item_fields,
        num_item_values=len(item_values) + f.NUM_RESERVED,
    )

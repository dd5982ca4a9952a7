"""Requests as in production, with users and items of the data at hand."""

import gzip
import io
from collections.abc import Sequence

from tfx.dsl.io import fileio

from components import tf_records
from components.catalogue_gen import read_catalogue
from components.infra_check.check import Questions
from components.tensorflow_parts import imported_alone
from trainer_modules import features as f

with imported_alone():
    from tensorflow.core.example.example_pb2 import Example

UNKNOWN_USER = "a user who is in no log"
UNKNOWN_ITEM = "an item that is in no catalogue"
FEW, MANY = 10, 1000  # candidates of a request


def questions(example_files: Sequence[str], catalogue: str) -> Questions:
    """Returns requests with known and unknown ids, empty histories and many items.

    Args:
        example_files: Files of raw Examples, of which the first is the known user.
        catalogue: Folder of the Catalogue artifact; its items are repeated if there are
            fewer than a request needs.

    Raises:
        ValueError: If the data have no user or no item.
    """
    user, history = _known_user(example_files)
    item_ids = read_catalogue(catalogue)[f.ITEM_ID].to_pylist()
    if not item_ids:
        raise ValueError(f"{catalogue} has no item for a request")
    few = item_ids[:FEW]
    many = (item_ids * (MANY // len(item_ids) + 1))[:MANY]
    return {
        "known user": {"user": [user], "history": history, "candidates": few},
        "unknown user": {"user": [UNKNOWN_USER], "history": history, "candidates": few},
        "unknown item": {
            "user": [user],
            "history": [*history, UNKNOWN_ITEM],
            "candidates": [UNKNOWN_ITEM],
        },
        "empty history": {"user": [user], "history": [], "candidates": few},
        "1,000 candidates": {"user": [user], "history": history, "candidates": many},
        "a list": {"user": [user], "history": history},
        "a list for an unknown user": {"user": [UNKNOWN_USER], "history": []},
    }


def _known_user(example_files: Sequence[str]) -> tuple[str, list[str]]:
    for file in example_files:
        with fileio.open(file, "rb") as packed, gzip.open(packed) as unpacked:
            for record in tf_records.read_records(io.BufferedReader(unpacked)):
                features = Example.FromString(record).features.feature
                [user] = features[f.USER_ID].bytes_list.value
                history = features[f.HISTORY_ITEM_ID].bytes_list.value
                return user.decode(), [item.decode() for item in history]
    raise ValueError(f"there is no user for a request in {', '.join(example_files)}")

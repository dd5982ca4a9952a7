"""Users' histories: what each user has rated, for every list that is served.

The model is evaluated on test records, each of which contains all that its user rated
before, oldest first, liked or not, with the user's side features. ``recommend``,
``batch``, ``serve`` and the report pass the same to the model, so that it is served as
it was trained and evaluated. Which part of a history a model uses is up to the model.

It does without TensorFlow, which takes seconds to import.
"""

import array
import collections
import dataclasses
import glob
import itertools
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.artifact_place import split_folder
from components.live_models import versions
from pipeline.recommend.example_records import (
    floats_of,
    ids_of,
    integers_of,
    read_examples,
)
from pipeline.recommend.item_ids import Coded
from pipeline.recommend.likes import Likes
from pipeline.recommend.request_time import now
from trainer_modules import features as f
from trainer_modules.bounds import EVERYTHING_LIKED, compare

LIKED_BY_ANY_RULE = float(np.finfo(np.float32).max)  # stars
INPUTS = {f.USER_ID, f.HISTORY_ITEM_ID, f.HISTORY_RATING, f.USER_FEATURES, "k"}
# Only of models that read times or their fields, that were trained with types of
# events, that recommend items again after some time, or that have rules.
OPTIONAL_INPUTS = {
    f.HISTORY_TIMESTAMP,
    f.HISTORY_EVENT_TYPE,
    f.REQUEST_TIMESTAMP,
    f.EXCLUDE_ITEM_ID,  # models of earlier releases lack it
    f.FILTER,
}


class SignatureError(versions.VersionError):
    """The inputs of a model's ``recommend`` are not those of this release."""


@dataclasses.dataclass(frozen=True)
class History:
    """The history of a user.

    Attributes:
        items: IDs of the rated items, oldest first; each once, unless there are types
            of events.
        ratings: Ratings of these items, in the unit of the data.
        features: Side features of the user, as "name=value".
        times: When the first of these items were rated, in seconds UTC. A model takes
            the others as rated at the newest of these times.
        event_types: Types of the events of the first of these items, "" if unknown;
            empty if the data has no such types.
        coded: The items as numbers, which take less to log; None if they are not
            exactly those of the data.
    """

    items: Sequence[str] = ()
    ratings: Sequence[float] = ()
    features: Sequence[str] = ()
    times: Sequence[int] = ()
    event_types: Sequence[str] = ()
    coded: Coded | None = dataclasses.field(default=None, compare=False)

    def liking(self, items: Iterable[str]) -> "History":
        """Returns the history with more items, which are liked by any threshold.

        They are at its end, and have neither times nor types of events.
        """
        liked = dict.fromkeys(items)
        if not liked:
            return self
        ratings = [
            LIKED_BY_ANY_RULE if item in liked else rating
            for item, rating in zip(self.items, self.ratings, strict=True)
        ]
        more = [item for item in liked if item not in set(self.items)]
        return dataclasses.replace(
            self,
            items=(*self.items, *more),
            coded=None,
            ratings=(*ratings, *[LIKED_BY_ANY_RULE] * len(more)),
            event_types=tuple(
                "" if item in liked else kind
                for item, kind in zip(self.items, self.event_types, strict=False)
            ),
        )

    def liked(self, threshold: str) -> list[str]:
        """Returns the liked items by ``label.threshold``, each once, newest last."""
        is_liked = are_liked(np.array(self.ratings, np.float32), threshold)
        liked = list(itertools.compress(self.items, is_liked))
        return list(dict.fromkeys(reversed(liked)))[::-1]


@dataclasses.dataclass(frozen=True)
class Without:
    """What a request keeps out of a list, besides the history and the rules.

    Attributes:
        items: IDs of items.
        filters: "field=value" texts. An item must have one of the values of each field.
        age: Age of the user, as text, for the rule of a minimum age; "" for that of the
            user's side features.
    """

    items: Sequence[str] = ()
    filters: Sequence[str] = ()
    age: str = ""

    @property
    def user_features(self) -> list[str]:
        """The age as a feature of the user, which follows the others."""
        return [f"{f.AGE}={self.age}"] if self.age else []


NOTHING = Without()


class Histories:
    """All users' histories, in 16 bytes per rating, or 8 if the data has no times.

    Types of events take 4 bytes more.


    The ratings of a user are adjacent, in the order of time, or in the order of the
    splits if the data has no times. In addition, each user takes a dictionary entry of
    about 150 bytes, and the side features.
    """

    def __init__(
        self, files: Mapping[str, Sequence[str]], only: Set[str] | None = None
    ):
        """Reads the histories.

        Args:
            files: Files by split, as returned by ``files_of``.
            only: IDs of the users to keep; None keeps all.
        """
        self._users: dict[str, int] = {}
        self._features: list[tuple[str, ...]] = []
        distinct: dict[tuple[str, ...], tuple[str, ...]] = {}  # kept once
        # Numbers an item when it is first looked up.
        items = collections.defaultdict[bytes, int](itertools.count().__next__)
        owners, numbers = array.array("i"), array.array("i")
        types = collections.defaultdict[bytes, int](itertools.count().__next__)
        ratings, times, kinds = array.array("f"), array.array("q"), array.array("i")
        for example in read_examples(itertools.chain(*files.values()), only):
            user = user_of(example)
            if only is not None and user not in only:
                continue
            if user not in self._users:
                self._users[user] = len(self._users)
                features = _features(example)  # the same in every record of a user
                self._features.append(distinct.setdefault(features, features))
            rated = ids_of(example, f.ITEM_ID)
            numbers.extend(map(items.__getitem__, rated))
            ratings.extend(floats_of(example, f.RATING))
            times.extend(integers_of(example, f.TIMESTAMP))
            kinds.extend(map(types.__getitem__, ids_of(example, f.EVENT_TYPE)))
            owners.extend(array.array("i", [self._users[user]]) * len(rated))
        owner = np.frombuffer(owners, np.int32)
        if len(times) == len(owner):
            order = np.lexsort((np.frombuffer(times, np.int64), owner))
            self._times = np.frombuffer(times, np.int64)[order]
        else:
            order = np.argsort(owner, kind="stable")
            self._times = np.zeros(0, np.int64)
        self._numbers = np.frombuffer(numbers, np.int32)[order]
        self._ratings = np.frombuffer(ratings, np.float32)[order]
        self._kinds = np.frombuffer(kinds, np.int32)
        if len(kinds):
            self._kinds = self._kinds[order]
        self._types = [kind.decode() for kind in types]
        self._starts = np.zeros(len(self._users) + 1, np.int64)
        np.cumsum(np.bincount(owner, minlength=len(self._users)), out=self._starts[1:])
        self._items = [item.decode() for item in items]
        self._texts = pa.array(self._items, pa.string())

    def __len__(self) -> int:
        """Returns the number of users."""
        return len(self._users)

    def __iter__(self) -> Iterator[str]:
        """Iterates over the IDs of the users."""
        return iter(self._users)

    def __contains__(self, user: str) -> bool:
        """Returns whether a user has a history."""
        return user in self._users

    def of(self, user: str) -> History:
        """Returns the history of a user, which is empty for an unknown one."""
        row = self._users.get(user)
        if row is None:
            return History()
        rated = slice(self._starts[row], self._starts[row + 1])
        # Views make no objects: those of a history are most of a logged list's memory.
        numbers = self._numbers[rated]
        return History(
            tuple(map(self._items.__getitem__, numbers.tolist())),
            memoryview(self._ratings[rated]),
            self._features[row],
            memoryview(self._times[rated]),
            tuple(map(self._types.__getitem__, self._kinds[rated].tolist())),
            Coded(numbers, self._texts),
        )

    def likes(self, threshold: str) -> Likes:
        """Returns the likes of all users by ``label.threshold``."""
        is_liked = are_liked(self._ratings, threshold)
        users = np.arange(len(self), dtype=np.int32)
        user = np.repeat(users, np.diff(self._starts))
        return Likes(self._items, self._numbers[is_liked], user[is_liked])


def files_of(examples: str, name: str = "*") -> dict[str, list[str]]:
    """Returns the files by split, beginning with the split of the oldest ratings.

    Args:
        examples: Output folder of ``RatingsExampleGen``. A user has at most one record
            per split, all of them in files of the same name.
        name: Name or glob pattern of the files.
    """
    return {
        split: sorted(glob.glob(f"{glob.escape(split_folder(examples, split))}/{name}"))
        for split in f.SPLITS
    }


def user_of(example: Any) -> str:
    """Returns the ID of the user of a record."""
    [user] = ids_of(example, f.USER_ID)
    return user.decode()


def are_liked(
    ratings: npt.NDArray[np.float32], threshold: str
) -> npt.NDArray[np.bool_]:
    """Returns which ratings are likes.

    Args:
        ratings: Ratings [N], in the unit of the data; as float32, like the labels that
            the model is trained with (``labels.label``).
        threshold: Which ratings are likes: ``label.threshold``.
    """
    if threshold == EVERYTHING_LIKED:
        return np.ones(len(ratings), bool)
    liked: npt.NDArray[np.bool_] = compare(ratings, threshold, ">")
    return liked


def _features(example: Any) -> tuple[str, ...]:
    """Returns the side features of a record as "name=value".

    Vectors are left out, as they would take more memory than all ratings: a model takes
    those of training.
    """
    return tuple(
        f"{name}={value}"
        for name, feature in sorted(example.features.feature.items())
        if f.is_user_feature(name)
        for value in _texts_of(feature)
    )


def _texts_of(feature: Any) -> list[str]:
    numbers = feature.float_list.value
    if len(numbers) == 1:
        return [str(np.float32(numbers[0]))]  # as it was written: 34.1
    return [value.decode() for value in feature.bytes_list.value]


def check_inputs(names: Iterable[str]) -> None:
    """Checks the names of the inputs of a model's ``recommend``.

    Raises:
        SignatureError: If they are not those that ``recommend_inputs`` returns.
    """
    if set(names) - OPTIONAL_INPUTS != INPUTS:
        raise SignatureError(
            f"the model's 'recommend' has the inputs {', '.join(sorted(names))}; "
            f"expected {', '.join(sorted(INPUTS))}. It was exported by another release "
            "of Marquee: train and push it again with 'marquee run'."
        )


def recommend_inputs(
    users: Sequence[str],
    histories: Sequence[History],
    k: int,
    names: Container[str] = INPUTS,
    at: int | None = None,
    without: Without = NOTHING,
) -> dict[str, np.ndarray]:
    """Returns the inputs of a model's ``recommend`` for some users.

    Args:
        users: IDs of B users.
        histories: Histories of these users.
        k: Number of items in each list.
        names: Names of the model's inputs, which ``check_inputs`` accepts.
        at: Time of the request, in seconds UTC; None for now.
        without: What the lists must not contain.

    Raises:
        SignatureError: If the model cannot exclude items.
    """
    if without.items and f.EXCLUDE_ITEM_ID not in names:
        raise SignatureError(
            "the model was exported by an earlier release, and cannot exclude items: "
            "train and push it again with 'marquee run'"
        )
    inputs = {
        f.USER_ID: _padded([users], object, b"")[0],
        f.HISTORY_ITEM_ID: _padded([h.items for h in histories], object, b""),
        f.HISTORY_RATING: _padded([h.ratings for h in histories], np.float32, np.nan),
        f.USER_FEATURES: _padded(
            [[*h.features, *without.user_features] for h in histories], object, b""
        ),
        "k": np.array(k, np.int32),
    }
    if f.HISTORY_TIMESTAMP in names:
        times = [h.times for h in histories]
        inputs[f.HISTORY_TIMESTAMP] = _padded(times, np.int64, 0)
    if f.HISTORY_EVENT_TYPE in names:
        types = [h.event_types for h in histories]
        inputs[f.HISTORY_EVENT_TYPE] = _padded(types, object, b"")
    if f.REQUEST_TIMESTAMP in names:
        time = now() if at is None else at
        inputs[f.REQUEST_TIMESTAMP] = np.full(len(users), time, np.int64)
    if f.EXCLUDE_ITEM_ID in names:
        inputs[f.EXCLUDE_ITEM_ID] = _padded([without.items] * len(users), object, b"")
    if f.FILTER in names:
        inputs[f.FILTER] = _padded([without.filters] * len(users), object, b"")
    return inputs


def _padded(rows: Sequence[Sequence[Any]], dtype: type, padding: Any) -> np.ndarray:
    """Returns padded values [B, N], strings as bytes; N is at least 1."""
    padded: np.ndarray = np.full((len(rows), max(1, *map(len, rows))), padding, dtype)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = (
            list(map(str.encode, row)) if dtype is object else row
        )
    return padded


def listed(item_id: np.ndarray, score: np.ndarray) -> list[tuple[str, float]]:
    """Returns the items and scores in a row of ``recommend``'s outputs, best first.

    The model leaves out what is not recommended again, and pads the row with "".
    """
    return [
        (item.decode(), value)
        for item, value in zip(item_id.tolist(), score.tolist(), strict=True)
        if item
    ]

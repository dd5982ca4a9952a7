"""What a model would have shown in the places that were drawn.

It fills them with its best items of the pool that the places were drawn from, below the
same first items. Its own last places would not measure it: the better a model is,
the more of its good items are above them.
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from components.exported_model import ExportedModel, Function
from pipeline.off_policy.drawn_lists import ShownList
from pipeline.recommend.user_history import (
    Without,
    check_inputs,
    listed,
    recommend_inputs,
)
from trainer_modules import features as f

NUM_LISTED = (
    1_000  # items of a candidate's list, among which those of the pool are found
)
BATCH = 64


@dataclasses.dataclass(frozen=True)
class Filling:
    """What a model would have shown in the drawn places of a list.

    Attributes:
        ranks: Ranks in the pool of the items, from the first such place on; -1 where
            the model lists no other item of the pool.
        is_in_pool: Whether the pool has the items that it would have shown without it.
    """

    ranks: list[int]
    is_in_pool: list[bool]


def logged_filling(shown: ShownList) -> Filling:
    """Returns what the version that made a list would have shown, without drawing."""
    places = len(shown.drawn)
    return Filling(list(range(places)), [True] * places)


class Candidate:
    """A model in memory."""

    def __init__(self, folder: Path, threads: int):
        """Loads the model.

        Args:
            folder: Path of its SavedModel.
            threads: Number of threads that one call may use.

        Raises:
            SignatureError: If another release exported it with other inputs.
        """
        model = ExportedModel(folder, threads)
        self._function: Function = model.function("recommend")
        check_inputs(self._function.inputs)

    def fillings(self, lists: Sequence[ShownList]) -> list[Filling]:
        """Returns what it would have shown in the drawn places of each list.

        Raises:
            SignatureError: If it cannot exclude the items that a request excludes.
        """
        alike = collections.defaultdict[object, list[int]](list)
        for number, shown in enumerate(lists):
            without = shown.without
            alike[tuple(without.items), tuple(without.filters)].append(number)
        found: dict[int, Filling] = {}
        for numbers in alike.values():
            for start in range(0, len(numbers), BATCH):
                part = numbers[start : start + BATCH]
                some = [lists[number] for number in part]
                filled = zip(some, self._item_ids(some), strict=True)
                found |= zip(part, (_filling(*each) for each in filled), strict=True)
        return [found[number] for number in range(len(lists))]

    def _item_ids(self, lists: Sequence[ShownList]) -> Iterable[list[str]]:
        """Yields its items for lists that exclude the same items, best first."""
        inputs = recommend_inputs(
            [shown.user for shown in lists],
            [shown.history for shown in lists],
            NUM_LISTED,
            self._function.inputs,
            without=Without(lists[0].without.items, lists[0].without.filters),
        )
        if f.REQUEST_TIMESTAMP in inputs:
            times = [shown.at for shown in lists]
            inputs[f.REQUEST_TIMESTAMP] = np.array(times, np.int64)
        outputs = self._function(inputs)
        for item_id, score in zip(outputs["item_id"], outputs["score"], strict=True):
            yield [item for item, _ in listed(item_id, score)]


def _filling(shown: ShownList, item_ids: list[str]) -> Filling:
    places, head = len(shown.drawn), set(shown.head)
    rank_in_pool = {item: rank for rank, item in enumerate(shown.pool)}
    ranks = [rank_in_pool[item] for item in item_ids if item in rank_in_pool]
    own = [item for item in item_ids if item not in head][:places]
    return Filling(
        (ranks + [-1] * places)[:places], [item in rank_in_pool for item in own]
    )

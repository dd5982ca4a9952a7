"""The list of items similar to one, as the command and the server return it."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from components.live_models.versions import Version
from pipeline.recommend.item_titles import Titles
from trainer_modules import features as f

SIGNATURE = "similar"  # only of models whose scores are products of vectors
ARE_LISTED = "are_listed"  # the signature; only of models with rules but without that
CANDIDATES = 10_000  # items by likes, of which those that the rules block are left out
MadeOf = Literal["vectors", "likes"]


@dataclasses.dataclass(frozen=True)
class SimilarItem:
    """An item of a list.

    Attributes:
        item_id: ID of the item.
        title: Title of the item, or its ID if it has none.
        score: Cosine; -1 to 1 for vectors, above 0 for likes.
    """

    item_id: str
    title: str
    score: float


@dataclasses.dataclass(frozen=True)
class SimilarList:
    """The items that are similar to one.

    Attributes:
        item_id: ID of the item.
        title: Title of the item, or its ID if it has none.
        made_of: What is compared: the ``vectors`` of the model, or, if it has none, the
            users who like the items (``likes``).
        model: Name of the live model.
        version: Number of its version.
        items: The similar items, best first; empty if the item has no vector of its
            own, or no likes.
    """

    item_id: str
    title: str
    made_of: MadeOf
    model: str
    version: int
    items: list[SimilarItem]

    @classmethod
    def of(
        cls,
        item_id: str,
        made_of: MadeOf,
        version: Version,
        titles: Titles,
        found: Iterable[tuple[str, float]],
    ) -> "SimilarList":
        """Returns the list of IDs and scores, with titles."""
        return cls(
            item_id=item_id,
            title=titles.of(item_id),
            made_of=made_of,
            model=version.model,
            version=version.number,
            items=[SimilarItem(i, titles.of(i), score) for i, score in found],
        )


def listed_inputs(found: Iterable[tuple[str, float]]) -> dict[str, np.ndarray]:
    """Returns the inputs of a model's ``are_listed`` for IDs with scores."""
    return {f.ITEM_ID: np.array([item_id.encode() for item_id, _ in found], object)}


def only_listed(
    found: Iterable[tuple[str, float]], answer: Mapping[str, np.ndarray], k: int
) -> list[tuple[str, float]]:
    """Returns the first k of the IDs that ``are_listed`` does not block."""
    return list(itertools.islice(itertools.compress(found, answer["is_listed"]), k))


def similar_inputs(item_id: str, k: int) -> dict[str, np.ndarray]:
    """Returns the inputs of a model's ``similar`` for one item."""
    return {
        f.ITEM_ID: np.array([item_id.encode()], object),
        "k": np.array(k, np.int32),
    }

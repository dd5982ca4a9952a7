"""Finds the impression that each event followed.

An impression is an item of a list that was shown. An event of the same user and item
counts for the last list before it that has the item, whatever version made it, unless
more time than the window has passed. Times are whole seconds, because events have no
fractions: an event in the second of a list is after it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclasses.dataclass(frozen=True)
class Impressions:
    """The impressions of some users' lists; N lists with I items altogether.

    Attributes:
        second: When each list was answered, in seconds UTC [N].
        user: Number of each list's user [N].
        row: List of each impression [I].
        position: Position in the whole list, over all pages, from 1 [I].
        item: Index of the item in ``items`` [I].
        items: IDs of the distinct items.
        clicked: Whether an event followed [I].
        converted: Whether an event that is a conversion followed [I].
    """

    second: np.ndarray
    user: np.ndarray
    row: np.ndarray
    position: np.ndarray
    item: np.ndarray
    items: pa.Array
    clicked: np.ndarray
    converted: np.ndarray


def attribute(
    lists: pa.Table, events: pa.Table, window: int, conversions: Sequence[str]
) -> Impressions:
    """Joins lists with the events that followed.

    Args:
        lists: All lists of some users (``logs.LISTS``), in any order.
        events: All events of these users (``logs.EVENTS``), in any order.
        window: For how many seconds after a list an event counts; the end is excluded.
        conversions: Types of the events that are conversions.
    """
    lengths = pc.list_value_length(lists["items"]).to_numpy()
    time = lists["time"].cast(pa.int64()).to_numpy()
    row = np.repeat(np.arange(len(lists)), lengths)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items, item = _coded(pc.list_flatten(lists["items"]))
    users, user = _coded(lists["user"])
    clicked, converted = np.zeros((2, len(row)), bool)
    found = Impressions(
        second=time // 1_000_000,
        user=user,
        row=row,
        position=lists["start"].to_numpy()[row] + place + 1,
        item=item,
        items=items,
        clicked=clicked,
        converted=converted,
    )
    event_user = _found(events["user"], users)
    event_item = _found(events["item"], items)
    shown = (event_user >= 0) & (event_item >= 0)
    at = events["time"].to_numpy()[shown]
    pair = event_user[shown] * len(items) + event_item[shown]
    pairs = np.unique(pair)
    pair_shown = user[row] * len(items) + item
    nearest = np.searchsorted(pairs, pair_shown)
    possible = np.flatnonzero(np.append(pairs, -1)[nearest] == pair_shown)
    if not len(possible):
        return found
    # A number that grows with the pair and, for the same pair, with the time.
    moment = (nearest[possible] << 32) + found.second[row[possible]]
    keys = (-place[possible], row[possible], time[row[possible]], moment)
    order = np.lexsort(keys)  # the last key counts first
    possible, moment = possible[order], moment[order]
    event_moment = (np.searchsorted(pairs, pair) << 32) + at
    last = np.searchsorted(moment, event_moment, side="right") - 1
    counts = (
        (last >= 0)
        & (moment[last] >> 32 == event_moment >> 32)  # the same pair
        & (event_moment - moment[last] < window)
    )
    clicked[possible[last[counts]]] = True
    is_conversion = pc.is_in(
        events["type"], value_set=pa.array(list(conversions), pa.string())
    )
    wanted = counts & is_conversion.to_numpy()[shown]
    converted[possible[last[wanted]]] = True
    return found


def _coded(texts: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Returns the distinct texts, and the index of each text among them."""
    coded = texts.combine_chunks().dictionary_encode()
    return coded.dictionary, coded.indices.to_numpy().astype(np.int64)


def _found(texts: pa.ChunkedArray, among: pa.Array) -> np.ndarray:
    """Returns the index of each text, or -1."""
    return pc.fill_null(pc.index_in(texts, value_set=among), -1).to_numpy().astype(int)

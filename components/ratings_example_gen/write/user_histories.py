"""Groups ratings by user: sorted by time, without duplicates, limited in length.

One call handles one bucket of users, by sorting whole arrays.
"""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen.events import GROUPS, Events
from components.ratings_example_gen.recognise.column_names import (
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
)
from components.ratings_example_gen.settings import (
    ALL,
    COUNT,
    FIRST,
    HIGHEST,
    LATEST,
    Repeats,
)

# Column with the position of a rating in the input: number of the block, then the row.
ORDER = "order"
ROWS_PER_BLOCK_BITS = 40

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]


def scatter(table: pa.Table, num_buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Yields the rows of each bucket: all ratings of a user are in the same one.

    Buckets are chosen by a hash of ``user_id``. The order of rows is kept.
    """
    if num_buckets == 1:
        yield 0, table
        return
    users = table[USER_ID].combine_chunks().dictionary_encode()
    hashes = [zlib.crc32(user.encode()) for user in users.dictionary.to_pylist()]
    bucket_of_user = np.array(hashes, np.int64) % num_buckets
    bucket = bucket_of_user[users.indices.to_numpy()]
    order = np.argsort(bucket, kind="stable")
    rows = table.take(pa.array(order))
    ends = np.searchsorted(bucket[order], np.arange(num_buckets), side="right")
    begin = 0
    for number, end in enumerate(ends):
        if end > begin:
            yield number, rows.slice(begin, end - begin)
        begin = end


@dataclass(frozen=True)
class Histories:
    """The ratings of the users of one bucket, oldest first.

    Attributes:
        user_id: [U] strings, sorted.
        begins: [U + 1] offset of each user's ratings in the arrays below.
        item_id: [N] strings.
        rating: [N] float32.
        timestamp: [N] int64 seconds UTC; None if the data has no times.
        duplicates: Number of other ratings of a pair (user, item), which are left out.
        merged: Number of other ratings that were added to the one of their pair.
        truncated: Number of oldest ratings of long histories, which are left out.
        overlaps: Numbers of an (older, newer) span → number of ratings in both.
        event_type: [N] strings; None if no types of events are configured.
        is_judged: [N] whether each rating may be a target; None if all may.
    """

    user_id: pa.Array
    begins: Int64
    item_id: pa.Array
    rating: npt.NDArray[np.float32]
    timestamp: Int64 | None
    duplicates: int
    merged: int
    truncated: int
    overlaps: Counter[tuple[int, int]]
    event_type: pa.Array | None = None
    is_judged: npt.NDArray[np.bool_] | None = None


def group_ratings(
    tables: Sequence[pa.Table],
    max_history: int,
    span_of_block: Sequence[int] = (),
    repeats: Repeats = LATEST,
    events: Events | None = None,
) -> Histories:
    """Groups the ratings of one bucket by user.

    Args:
        tables: Ratings with a column ``order``, in any order.
        max_history: Largest number of ratings per user; the newest are kept.
        span_of_block: Number of each block's span; empty if there are no spans.
        repeats: Which rating of a pair (user, item) counts: the ``latest`` by time, the
            ``first``, or the ``highest`` (the latest of equal ones); with ``count``,
            the latest has the sum of those ratings that have its sign; with ``all``,
            each counts, but of those with the same time and type only the last. With
            equal times, or without times, the order of the input counts.
        events: What the types of events mean; None if none are configured. Judged
            events, other ones and those for context are not repeats of each other.
    """
    table = pa.concat_tables(tables)
    users = table[USER_ID].combine_chunks().dictionary_encode()
    items = table[ITEM_ID].combine_chunks().dictionary_encode()
    sorted_users = pc.sort_indices(users.dictionary).to_numpy()
    rank = np.empty(len(sorted_users), np.int64)
    rank[sorted_users] = np.arange(len(sorted_users))
    user = rank[users.indices.to_numpy()]
    item = items.indices.to_numpy().astype(np.int64)
    order = table[ORDER].to_numpy()
    times = table[TIMESTAMP].to_numpy() if TIMESTAMP in table.column_names else None

    keys = (order, user) if times is None else (order, times, user)
    rows = np.lexsort(keys)
    rating = table[RATING].to_numpy()
    pair = user[rows] * len(items.dictionary) + item[rows]
    if events:
        pair = pair * len(GROUPS) + events.groups(table[EVENT_TYPE])[rows]
    if repeats == ALL:
        kept = rows[_counts_once(pair, times, table, rows)]
    else:
        kept = rows[_counts_of_pair(pair, rating[rows], repeats)]
    num_unique, num_merged = len(kept), 0
    if repeats == COUNT:
        rating, num_merged = _added_up(pair, rating, rows, kept)
    kept = kept[_is_among_newest(user[kept], max_history)]
    types = table[EVENT_TYPE].combine_chunks().take(pa.array(kept)) if events else None
    return Histories(
        user_id=users.dictionary.take(pa.array(sorted_users)),
        begins=np.searchsorted(user[kept], np.arange(len(sorted_users) + 1)),
        item_id=items.dictionary.take(items.indices.take(pa.array(kept))),
        rating=rating[kept],
        timestamp=None if times is None else times[kept],
        duplicates=len(rows) - num_unique - num_merged,
        merged=num_merged,
        truncated=num_unique - len(kept),
        overlaps=_overlaps(
            (user[rows], item[rows], None if times is None else times[rows]),
            np.asarray(span_of_block, np.int64)[order[rows] >> ROWS_PER_BLOCK_BITS],
        )
        if span_of_block
        else Counter(),
        event_type=types,
        is_judged=events.are_judged(types) if events else None,
    )


def fingerprints(histories: Histories, at_least: int) -> UInt64:
    """Returns a number per user with enough ratings, equal for equal histories.

    Histories are equal if they have the same items, ratings and times.

    Args:
        histories: The users of one bucket.
        at_least: Number of ratings that a user must have; a few may be equal by chance.
    """
    items = histories.item_id.dictionary_encode()
    hashed = np.array(
        [
            int.from_bytes(hashlib.blake2b(i.encode(), digest_size=8).digest(), "big")
            for i in items.dictionary.to_pylist()
        ],
        np.uint64,
    )[items.indices.to_numpy()]
    hashed = mix(hashed ^ histories.rating.view(np.uint32).astype(np.uint64))
    if histories.timestamp is not None:
        hashed = mix(hashed ^ histories.timestamp.view(np.uint64))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashed)])  # modulo 2^64
    begins = histories.begins
    return np.diff(sums[begins])[np.diff(begins) >= at_least]


def mix(values: UInt64) -> UInt64:
    """Mixes the bits of hashes: the finalizer of splitmix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _overlaps(
    keys: tuple[Int64, Int64, Int64 | None], span: Int64
) -> Counter[tuple[int, int]]:
    """Counts the ratings of equal user, item and time that are in two spans."""
    known = [key for key in keys if key is not None]
    rows = np.lexsort((span, *known))
    same = np.ones(max(0, len(rows) - 1), np.bool_)
    for key in known:
        same &= key[rows][1:] == key[rows][:-1]
    older, newer = span[rows][:-1][same], span[rows][1:][same]
    differ = older != newer
    pairs = zip(older[differ].tolist(), newer[differ].tolist(), strict=True)
    return Counter(pairs)


def _counts_once(
    pair: Int64, times: Int64 | None, table: pa.Table, rows: Int64
) -> npt.NDArray[np.bool_]:
    """Returns a mask [N] of the last of equal events; sorted by time, as ``pair``.

    An event that is delivered twice has the same time and type.
    """
    mask = np.ones(len(pair), np.bool_)
    if times is None:
        return mask
    keys = [pair, times[rows]]
    if EVENT_TYPE in table.column_names:
        types = table[EVENT_TYPE].combine_chunks().dictionary_encode()
        keys.append(types.indices.to_numpy()[rows])
    order = np.lexsort(keys)  # stable
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    mask[order[:-1][same]] = False
    return mask


def _counts_of_pair(
    pair: Int64, rating: npt.NDArray[np.float32], repeats: Repeats
) -> npt.NDArray[np.bool_]:
    """Returns a mask [N] of the rating that counts for each pair; sorted by time."""
    best_first = np.arange(len(pair))
    if repeats != FIRST:
        best_first = best_first[::-1]
    if repeats == HIGHEST:
        best_first = best_first[np.argsort(-rating[best_first], kind="stable")]
    _, best = np.unique(pair[best_first], return_index=True)
    mask = np.zeros(len(pair), np.bool_)
    mask[best_first[best]] = True
    return mask


def _added_up(
    pair: Int64, rating: npt.NDArray[np.float32], rows: Int64, kept: Int64
) -> tuple[npt.NDArray[np.float32], int]:
    """Adds up the ratings [N] of the same pair and sign.

    Args:
        pair: Number of each row's pair, sorted as ``rows``.
        rating: The ratings.
        rows: Positions of the ratings, sorted by time.
        kept: Positions of those that are kept, one of each pair.

    Returns:
        For each rating the sum, and how many were added to those that are kept.
    """
    sign = np.sign(rating[rows]).astype(np.int64)
    _, place, count = np.unique(
        3 * pair + sign, return_inverse=True, return_counts=True
    )
    total, times = np.empty_like(rating), np.empty(len(rating), np.int64)
    total[rows] = np.bincount(place, rating[rows])[place]
    times[rows] = count[place]
    return total, int(times[kept].sum()) - len(kept)


def _is_among_newest(user: Int64, max_history: int) -> npt.NDArray[np.bool_]:
    """Returns a mask [N] of the last ``max_history`` ratings per user; sorted."""
    end = np.searchsorted(user, user, side="right")
    return end - np.arange(len(user)) <= max_history

"""Counts how many users liked both of two items, without a dense V x V matrix."""

from collections.abc import Iterator

from scipy import sparse

from trainer_modules.interactions import Interactions

# Pairs of items counted at once: at twelve bytes each, 48 MiB.
MAX_CELLS = 1 << 22


def co_occurrences(
    interactions: Interactions,
) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """Yields consecutive rows of X^T X.

    Yields:
        The range of items, and how many users liked both each of these and any other
        item: [R, V] float64, where item i with itself has the number of i's users.
    """
    liked = interactions.matrix()  # X
    users_of = liked.T.tocsr()
    step = max(1, MAX_CELLS // interactions.num_items)
    for start in range(0, interactions.num_items, step):
        items = slice(start, min(start + step, interactions.num_items))
        yield items, users_of[items] @ liked

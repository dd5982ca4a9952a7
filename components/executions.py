"""Finds successful executions in the metadata store, without importing TFX."""

from collections.abc import Iterator

from ml_metadata import ListOptions, MetadataStore, OrderByField
from ml_metadata.proto import metadata_store_pb2 as mlmd

# An execution that produced its outputs itself, not from the cache.
MADE = "last_known_state = COMPLETE"
# One that succeeded, with outputs of its own or from the cache.
SUCCEEDED = f"({MADE} OR last_known_state = CACHED)"
_PAGE = 10  # executions per query; the wanted one is nearly always among the first two


def successes(store: MetadataStore, step: str) -> Iterator[mlmd.Execution]:
    """Yields the executions of a step that succeeded, newest first.

    They are read in pages, so finding a recent one takes the same time after 10 runs as
    after 1,000.

    Args:
        store: The metadata store.
        step: Name of the component's class, without its module.
    """
    kinds = [kind.name for kind in store.get_execution_types()]
    named = " OR ".join(f"type = '{k}'" for k in kinds if k.endswith(f".{step}"))
    if not named:
        return
    query = older = f"({named}) AND {SUCCEEDED}"
    while page := store.get_executions(newest(_PAGE, older)):
        yield from page
        older = f"{query} AND id < {page[-1].id}"


def newest(limit: int, query: str) -> ListOptions:
    """Returns the options that list the newest executions of a query first."""
    return ListOptions(
        limit=limit, order_by=OrderByField.ID, is_asc=False, filter_query=query
    )

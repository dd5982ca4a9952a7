"""How well the files of items and users fit a run's ratings."""

from pipeline.runs.record import SideFile
from pipeline.runs.step_outputs import CatalogueCounts, Counts


def items_fit(counts: CatalogueCounts | None) -> SideFile | None:
    """Returns how well the items' file fits; None if there is none.

    Args:
        counts: What CatalogueGen counted; None if it did not finish.
    """
    if counts is None or not counts.file:
        return None
    rated = counts.items - counts.items_never_rated
    return SideFile(
        file=counts.file,
        rated=rated,
        matched=rated - counts.items_without_features,
        first_missing=counts.first_without,
        repeated=counts.repeated,
    )


def users_fit(counts: Counts | None) -> SideFile | None:
    """Returns how well the users' file fits; None if there is none.

    Args:
        counts: What RatingsExampleGen counted; None if it did not finish.
    """
    if counts is None or not counts.users_file:
        return None
    return SideFile(
        file=counts.users_file,
        rated=counts.users,
        matched=counts.users_with_features,
        first_missing=counts.first_users_without,
        repeated=counts.users_repeated,
    )

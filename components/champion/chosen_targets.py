"""What was measured on some of the targets: by type of event, or by their items."""

import dataclasses
import zlib

import numpy as np
import numpy.typing as npt

from components.metric_names import RANKING_METRICS
from components.ranking_metrics.metrics import full_ranking_metrics
from components.ranking_metrics.target_slices import AGES, POPULARITIES
from components.ranking_metrics.users import Users

NEW_ITEM = "new_item"  # the slice of targets whose items have no row of their own


def on_targets_of(users: Users, event_type: str) -> Users | None:
    """Returns the measurements as if the test had only targets of one type.

    Args:
        users: Measurements on all targets.
        event_type: Type of the events.

    Returns:
        Measurements of the same users; None if the types of the targets are unknown.
    """
    if users.event_type is None:
        return None
    return _on(users, users.event_type == zlib.crc32(event_type.encode()))


def on_new_items(users: Users) -> Users | None:
    """Returns the measurements as if the test had only targets that are new items.

    Returns:
        Measurements of the same users; None if it is unknown which items are new.
    """
    return None if users.is_new is None else _on(users, users.is_new)


def slices_of_items(users: Users) -> dict[str, Users]:
    """Returns the measurements on targets by their items, by the name of the slice.

    Slices without any target, and those for which it is unknown which targets are in
    them, are left out.
    """
    slices = {NEW_ITEM: on_new_items(users)}
    for feature, places, names in (
        ("item_popularity", users.popularity, POPULARITIES),
        ("item_age_days", users.age, AGES.values()),
    ):
        if places is not None:
            slices |= {
                f"{feature}={name}": _on(users, places == place)
                for place, name in enumerate(names)
            }
    return {name: part for name, part in slices.items() if part and len(part.rank)}


def _on(users: Users, chosen: npt.NDArray[np.bool_]) -> Users:
    """Returns the measurements as if the test had only the chosen targets [T].

    Their ranks stay as they are: a list does not depend on what a user does next.
    """
    target_user, rank = users.target_user[chosen], users.rank[chosen]
    label = users.label[chosen]
    values = np.full([len(users.user), len(RANKING_METRICS)], np.nan, np.float32)
    is_liked = (label == 1) & (rank > 0)
    found, starts = np.unique(target_user[is_liked], return_index=True)
    # Split at 0 too: nothing is before it, even if no target is liked.
    of_users = np.split(rank[is_liked], starts)[1:]
    for user, ranks in zip(found, of_users, strict=True):
        candidates = int(users.num_candidates[user])
        values[user] = full_ranking_metrics(ranks.astype(np.int64), candidates)
    return dataclasses.replace(
        users,
        metrics=RANKING_METRICS,
        values=values,
        target_user=target_user,
        rank=rank,
        label=label,
        **{
            name: getattr(users, name)[chosen]
            for name in ("target", "score", "event_type", "is_new", "popularity", "age")
            if getattr(users, name) is not None
        },
    )

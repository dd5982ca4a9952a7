"""The rules of lists in plain Python: one list, one item after the other."""

from collections.abc import Mapping, Sequence, Set
from typing import Any


def jaccard(one: Set[str], other: Set[str]) -> float:
    """Returns the share of the values of both that are in both."""
    return len(one & other) / len(one | other) if one | other else 0.0


def may_see(minimum: str | None, age: str | None, rule: Mapping[str, Any]) -> bool:
    """Returns whether a user is old enough for an item; None is unknown."""
    least = rule.get("unknown_item", 0) if minimum is None else float(minimum)
    return least <= (rule.get("unknown_user", 0) if age is None else float(age))


def ordered(
    scores: Mapping[Any, float],
    values: Mapping[str, Mapping[Any, Set[str]]],
    rules: Mapping[str, Any],
) -> list[Any]:
    """Returns the whole list, in which ties are in the order of ``scores``.

    Args:
        scores: Items that may be listed → score.
        values: Field → item → values.
        rules: As in the file.
    """
    by_score = sorted(scores, key=lambda item: -scores[item])
    pool, rest = by_score[: rules["pool"]], by_score[rules["pool"] :]
    up = {
        item: max(
            [
                boost["places"]
                for boost in rules.get("boosts", [])
                if boost["value"] in values[boost["field"]][item]
            ],
            default=0,
        )
        for item in pool
    }
    boosted = sorted(pool, key=lambda item: (pool.index(item) - up[item], -up[item]))
    best, worst = scores[pool[0]], scores[pool[-1]]
    spread = best - worst
    relevance = {
        item: (scores[pool[place]] - worst) / spread if spread else 0.0
        for place, item in enumerate(boosted)
    }
    limits, diversity = rules.get("limits", []), rules.get("diversity")
    places = max(
        [rule["in_first"] for rule in limits + ([diversity] if diversity else [])],
        default=0,
    )
    chosen: list[Any] = []
    while len(chosen) < places and len(chosen) < len(pool):
        free = [item for item in boosted if item not in chosen]
        eligible = [
            item
            for item in free
            if not any(
                len(chosen) < limit["in_first"]
                and sum(value in values[limit["field"]][other] for other in chosen)
                >= limit["at_most"]
                for limit in limits
                for value in values[limit["field"]][item]
            )
        ]
        if not eligible:
            return chosen
        if diversity and len(chosen) < diversity["in_first"]:
            of_item = values[diversity["field"]]
            weight = diversity["lambda"]
            marginal = {
                item: weight * relevance[item]
                - (1 - weight)
                * max((jaccard(of_item[item], of_item[o]) for o in chosen), default=0)
                for item in eligible
            }
            highest = max(marginal.values())
            # Equal up to rounding to 32 bits: the first.
            chosen.append(next(i for i in eligible if marginal[i] > highest - 1e-6))
        else:
            chosen.append(eligible[0])
    left: Sequence[Any] = [item for item in boosted if item not in chosen]
    return [*chosen, *left, *rest]

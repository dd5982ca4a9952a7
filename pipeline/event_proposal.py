"""Proposes a configuration of the types of events that were found in ratings."""

import re

import yaml

from components.ratings_example_gen.inspection import DataSummary
from pipeline.config.events_section import CONTEXT, NEGATIVE, POSITIVE

_MIN_TYPES = 2  # a single one needs no configuration
_MAX_TYPES = 30  # more are not types, but other values
# Role → names that suggest it; first match counts.
_ROLES = {
    NEGATIVE: re.compile("dislike|skip|hide|remove|refund|return|thumbs?_?down"),
    CONTEXT: re.compile("view|click|impression|search|open|visit|pv"),
}
_GOAL = re.compile("transaction|purchase|buy|order|checkout|subscribe")


def propose_events(summary: DataSummary) -> str | None:
    """Returns a section ``events``, as YAML, to start from; None without types.

    The roles are guessed from the names of the types. Nothing is read in this way until
    a person puts it into a configuration.
    """
    names = [name for name in summary.event_types if name]
    if not _MIN_TYPES <= len(names) <= _MAX_TYPES:
        return None
    roles = {name: _role(name) for name in names}
    goals = [name for name in names if _GOAL.search(name.lower())]
    goals = [name for name in goals if roles[name] == POSITIVE]
    if POSITIVE not in roles.values():  # something must be learned
        roles = dict.fromkeys(names, POSITIVE)
    lines = ["events:", "  types:"]
    for name in names:
        weight = ", weight: 1" if roles[name] != CONTEXT else ""
        count = f"{summary.event_types[name]:,}"
        lines.append(
            f"    {_key(name)}: {{role: {roles[name]}{weight}}}  # {count} rows"
        )
    if goals:
        lines.append(f"  judged: [{', '.join(map(_key, goals))}]")
    return "\n".join(lines)


def _role(name: str) -> str:
    for role, names in _ROLES.items():
        if names.search(name.lower()):
            return role
    return POSITIVE


def _key(name: str) -> str:
    """Returns a name as YAML writes it, with quotes if it needs them."""
    text: str = yaml.safe_dump(name, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")

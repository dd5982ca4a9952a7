"""Reads the file of rules that ``lists.rules`` names."""

import os
from pathlib import Path

import msgspec

from pipeline.config.document import Document
from trainer_modules.configs.list_rules import Rules


def check_rules(path: str | None, document: Document) -> None:
    """Rejects rules that are wrong now, rather than in a Trainer.

    Args:
        path: The value of ``lists.rules``.
        document: The configuration that it is from.

    Raises:
        ConfigError: If the file cannot be read, or a rule is invalid.
    """
    if path is not None:
        if not os.path.isfile(path):
            raise document.error("lists.rules", f"{path} is not a file")
        read_rules(Path(path))


def read_rules(path: Path) -> Rules:
    """Returns the rules in a file; names are checked when the catalogue is known.

    Raises:
        ConfigError: If the file cannot be read, or a rule is invalid.
    """
    document = Document(path, Rules)
    rules = msgspec.convert(document.checked(), Rules)
    places = {f"limits.{n}": limit.in_first for n, limit in enumerate(rules.limits)}
    if rules.diversity:
        places["diversity"] = rules.diversity.in_first
    age = rules.minimum_age
    if age and age.item_field_in == "feed" and not rules.feed:
        raise document.error(
            "minimum_age.item_field_in", "the rules have no feed; name one"
        )
    for key, in_first in places.items():
        if in_first > rules.pool:
            raise document.error(
                f"{key}.in_first",
                f"{in_first} places cannot be filled from a pool of {rules.pool} "
                "items; set a larger pool",
            )
    return rules

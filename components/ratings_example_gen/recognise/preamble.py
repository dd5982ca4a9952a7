"""Finds lines above a table that do not belong to it: ``sep=;`` and comments."""

import re
from collections.abc import Sequence

from components.ratings_example_gen.recognise.column_names import (
    ITEM_ID,
    USER_ID,
    match,
)

# Excel takes the separator from such a line.
_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# An id may begin with #, as in "#1,lamp"; such a line is not a comment.
_COMMENT = re.compile(r"#(?:[\s#!].*|[A-Za-z][^,;\t|]*)?")
_MAX_SHOWN = 80


def find_preamble(text: str) -> tuple[tuple[str, ...], str | None]:
    """Returns the lines above a table, also blank ones, and the separator they name.

    Args:
        text: The beginning of a file.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    count, separator = 0, None
    for index, line in enumerate(lines):
        named = None if index else _SEPARATOR.fullmatch(line)
        if named:
            separator = named[1]
        elif line.strip() and (not _COMMENT.fullmatch(line) or _is_header(line)):
            break
        if line.strip():
            count = index + 1
    else:
        return (), None  # There is no table below.
    return tuple(line[:_MAX_SHOWN] for line in lines[:count]), separator


def _is_header(comment: str) -> bool:
    """Returns whether a comment names columns, as in ``# user_id,item_id``."""
    marks = r"[,;\t|]|::" if re.search(r"[,;\t|]|::", comment) else r"\s+"
    fields = re.split(marks, comment.lstrip("# "))
    return bool(match(USER_ID, fields) and match(ITEM_ID, fields))


def shown(name: str, preamble: Sequence[str]) -> str:
    """Returns a description of the lines that are skipped at the top of a file."""
    lines = ", ".join(repr(line) for line in preamble if line.strip())
    return f"the first lines of {name}: {lines}"

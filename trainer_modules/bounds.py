"""Bounds of ratings, as written in the configuration: ``> 3``, ``<= 2.5``."""

import operator
import re
from typing import Any

EVERYTHING_LIKED = "all"  # instead of a bound: each rating is a like
_COMPARISONS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_BOUND = re.compile(r"([<>]=?)\s*(-?\d+(?:\.\d+)?)")


def compare(stars: Any, bound: str, sign: str) -> Any:
    """Returns whether ratings are beyond a bound.

    Args:
        stars: A number, or an array or tensor of numbers.
        bound: The bound, such as ``> 3``.
        sign: The direction that the bound must have, ``>`` or ``<``.

    Raises:
        ValueError: If the bound has another form or direction.
    """
    match = _BOUND.fullmatch(bound)
    if not match or not match[1].startswith(sign):
        others = "'all', " if sign == ">" else ""
        raise ValueError(
            f"label bound {bound!r}: expected {others}'{sign} x' or '{sign}= x'"
        )
    return _COMPARISONS[match[1]](stars, float(match[2]))

"""Parses JSON objects, with numbers kept as they are written."""

import json
from decimal import Decimal
from typing import Any

# Largest exponent whose digits are written out: the range of a double.
_MAX_EXPONENT = 308


def _number(written: str) -> str:
    """Returns a number as it is written, but whole numbers as digits only."""
    if "e" not in written and "E" not in written:
        whole, point, fraction = written.partition(".")
        return whole if point and not fraction.strip("0") else written
    _, _, exponent = written.lower().partition("e")
    if len(exponent) > 4 or abs(int(exponent)) > _MAX_EXPONENT:
        return written
    digits = f"{Decimal(written):f}"
    whole, _, fraction = digits.partition(".")
    return written if fraction.strip("0") else whole


# Numbers stay text: an id may have more digits than a double.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=_number, parse_constant=str)


def parse(line: str) -> dict[str, Any]:
    """Returns the object on a line, with numbers as text.

    Raises:
        ValueError: If the line is not a JSON object.
    """
    try:
        value = _DECODER.decode(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def as_text(value: Any) -> str | None:
    """Returns a value as text: lists and objects as JSON, null as None."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)

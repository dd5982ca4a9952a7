"""Objects on lines of JSON, with numbers as they are written."""

import json
from decimal import Decimal
from typing import Any

# Beyond the range of a double, digits are not written out.
_MAX_EXPONENT = 308


def _number(written: str) -> str:
    """Returns a number as it is written, whole ones as their digits alone."""
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
    """Returns the object on a line, numbers as text.

    Raises:
        ValueError: When the line is not a JSON object.
    """
    try:
        value = _DECODER.decode(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def as_text(value: Any) -> str | None:
    """Returns a value as text; lists and objects as JSON, nothing as None."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)

"""Objects on lines of JSON, with numbers as they are written."""

import json
from typing import Any


def _number(written: str) -> str:
    """Returns a number as it is written, whole ones without ``.0``."""
    whole, point, fraction = written.partition(".")
    return whole if point and not fraction.strip("0") else written


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

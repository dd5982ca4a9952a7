"""Converts columns to numbers, with the decimal and thousands marks of the text."""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.bad_rows import Faults

_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
# Digits with marks, each of which may be a decimal or a thousands mark.
_OTHER_MARKS = r"^[+-]?\d+(?:[.,' ]\d+)+$"
_NOT_FINITE = r"(?i)^[+-]?(?:nan|inf|infinity)$"


def to_numbers(
    values: pa.Array, what: str, kind: str, part: Part, faults: Faults
) -> npt.NDArray[np.float64]:
    """Returns float64 [N]; values that are not finite numbers become faults, and 0.

    Args:
        values: [N] numbers or text.
        what: Name of the values, for the faults.
        kind: Kind of fault to report for text that is not a number.
        part: Part that the values are from; its dialect has the decimal mark.
        faults: Receives the rows without a finite number.

    Raises:
        ArrowInvalid: If the values are booleans.
    """
    if pa.types.is_boolean(values.type):
        raise pa.ArrowInvalid("true and false are not numbers")
    written = values
    if pa.types.is_binary(values.type):
        values = _with_points(values, part.dialect)
        try:
            numbers = values.cast(pa.float64())
        except pa.ArrowInvalid:
            numbers = _to_numbers_slowly(values)
    else:
        numbers = values.cast(pa.float64(), safe=False)
    missing = pc.is_null(numbers).to_numpy(False)
    if missing.any() and pa.types.is_binary(written.type):
        text = pc.ascii_trim_whitespace(written.cast(pa.string(), safe=False))
        has_marks = pc.match_substring_regex(text, _OTHER_MARKS).to_numpy(False)
        faults.add(
            missing & np.equal(has_marks, True),
            kind,
            f"{what} is not a number with the marks that are set "
            "(data.decimal, data.thousands)",
        )
    faults.add(missing, kind, f"{what} is not a number")
    result = pc.fill_null(numbers, 0.0).to_numpy(False)
    finite = np.isfinite(result)
    faults.add(~finite, input_errors.NOT_FINITE, f"{what} is not finite")
    return np.where(finite, result, 0.0)


def to_number(text: str, dialect: Dialect) -> float:
    """Returns the number that a text with the dialect's marks is; NaN if it is none."""
    text = text.strip()
    if not re.fullmatch(number_pattern(dialect), text):
        return float("nan")
    plain = text.replace(dialect.thousands, "") if dialect.thousands else text
    return float(plain.replace(dialect.decimal or ".", "."))


def number_pattern(dialect: Dialect) -> str:
    """Returns the regular expression of a number with the dialect's marks."""
    point, group = re.escape(dialect.decimal or "."), re.escape(dialect.thousands or "")
    whole = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{3}})+)" if group else r"\d+"
    return rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"


def _with_points(values: pa.Array, dialect: Dialect) -> pa.Array:
    """Rewrites numbers so that Arrow parses them; other text becomes ``?``."""
    if dialect.decimal in (None, ".") and not dialect.thousands:
        return values
    text = pc.ascii_trim_whitespace(values.cast(pa.string(), safe=False))
    is_number = pc.match_substring_regex(text, f"^{number_pattern(dialect)}$")
    is_number = pc.or_(is_number, pc.match_substring_regex(text, _NOT_FINITE))
    plain = text
    if dialect.thousands:
        plain = pc.replace_substring(plain, dialect.thousands, "")
    if dialect.decimal:
        plain = pc.replace_substring(plain, dialect.decimal, ".")
    return pc.if_else(is_number, plain, "?").cast(pa.binary())


def _to_numbers_slowly(values: pa.Array) -> pa.Array:
    """Converts text of which some values are not numbers; those become null."""
    text = pc.ascii_trim_whitespace(values.cast(pa.string(), safe=False))
    number = pc.match_substring_regex(text, _NUMBER)
    infinite = pc.match_substring_regex(text, _NOT_FINITE)
    plain = pc.ascii_ltrim(pc.if_else(number, text, "nan"), "+")
    return pc.if_else(pc.or_(number, infinite), plain.cast(pa.float64()), None)

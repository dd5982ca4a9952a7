"""Converts columns, as they are written, to ids, numbers and texts."""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import BadInputError, Problem
from components.ratings_example_gen.read.bad_rows import (
    Faults,
    name_faults,
    naming_type,
)
from components.ratings_example_gen.read.rows import Rows
from components.ratings_example_gen.recognise.parts import Part

_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
# Digits with marks that may be decimal or between thousands.
_OTHER_MARKS = r"^[+-]?\d+(?:[.,' ]\d+)+$"
_NOT_FINITE = r"(?i)^[+-]?(?:nan|inf|infinity)$"


def to_ids(values: pa.Array, name: str, part: Part, faults: Faults) -> pa.Array:
    """Returns ids as strings; null values and empty ones become faults."""
    if pa.types.is_list(values.type):
        raise pa.ArrowInvalid("an id is one value, not a list")
    if pa.types.is_decimal(values.type):
        values.cast(pa.decimal256(76, 0))  # or it has a fraction, and is not an id
    values = to_strings(values, name, part, faults)
    least = _least_byte(values)
    if least == 0:
        has_nul = pc.match_substring(values, "\0").to_numpy(False)
        faults.add(has_nul, input_errors.CONTROL_CHARACTER, f"{name} has a NUL byte")
    if not part.dialect.keep_blanks and least <= ord(" "):
        values = pc.ascii_trim_whitespace(values)
    empty = pc.equal(pc.binary_length(values), 0).to_numpy(False)
    faults.add(empty, input_errors.EMPTY_ID, f"{name} is empty")
    if null := _null_values(values, part.dialect):
        is_null = pc.is_in(values, value_set=pa.array(null)).to_numpy(False)
        faults.add(
            is_null, input_errors.EMPTY_ID, f"{name} is a null value (data.null_values)"
        )
    return values


def _null_values(values: pa.Array, dialect: Dialect) -> list[str]:
    """Returns the null values that can be among the given ones.

    Looking each id up costs time, and most are of digits: a text whose greatest byte
    is above all of theirs is not there.
    """
    greatest = _bytes_of(values).max(initial=0)
    return [text for text in dialect.nulls if text and max(text.encode()) <= greatest]


def _least_byte(values: pa.Array) -> int:
    return int(_bytes_of(values).min(initial=255))


def _bytes_of(values: pa.Array) -> npt.NDArray[np.uint8]:
    """Returns the bytes of a string array's values, one behind the other."""
    data = values.buffers()[2]
    if data is None or not len(values):
        return np.zeros(0, np.uint8)
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    begin, end = offsets[values.offset], offsets[values.offset + len(values)]
    return np.frombuffer(data, np.uint8)[begin:end]


def to_strings(values: pa.Array, name: str, part: Part, faults: Faults) -> pa.Array:
    """Returns strings, ``""`` for nothing; a number has one form whatever its type."""
    if pa.types.is_floating(values.type):
        values = _float_texts(values)
    elif pa.types.is_decimal(values.type):
        values = _decimal_texts(values)
    if not pa.types.is_binary(values.type):
        values = values.cast(pa.string()).cast(pa.binary())
    return _decode(pc.fill_null(values, b""), name, faults)


def _float_texts(values: pa.Array) -> pa.Array:
    """Returns whole numbers as integers are written, NaN as null.

    Each value by itself: what else is in a row group must not change an id.
    """
    numbers = values.to_numpy(False).astype(np.float64)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    small = whole & (np.abs(numbers) < 2.0**63)
    texts = pc.if_else(
        pa.array(small),
        pa.array(np.where(small, numbers, 0).astype(np.int64)).cast(pa.string()),
        values.cast(pa.string()),
    )
    if large := np.flatnonzero(whole & ~small).tolist():
        listed = texts.to_pylist()
        for row in large:
            listed[row] = str(int(numbers[row]))
        texts = pa.array(listed, pa.string())
    return pc.if_else(pa.array(np.isnan(numbers)), None, texts)


def _decimal_texts(values: pa.Array) -> pa.Array:
    """Returns decimals exactly, without zeros that say nothing."""
    try:
        return values.cast(pa.int64()).cast(pa.string())
    except pa.ArrowInvalid:  # a fraction, or more digits than that
        texts = [
            None if value is None else f"{value:f}" for value in values.to_pylist()
        ]
        return pa.array(
            [
                text.rstrip("0").rstrip(".") if text and "." in text else text
                for text in texts
            ],
            pa.string(),
        )


def _decode(values: pa.Array, name: str, faults: Faults) -> pa.Array:
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        pass  # Some value is not UTF-8: go through the distinct ones.
    encoded = pc.dictionary_encode(values)
    texts, valid = [], []
    for value in encoded.dictionary.to_pylist():
        try:
            texts.append(value.decode("utf-8"))
            valid.append(True)
        except UnicodeDecodeError:
            texts.append(value.decode("latin-1"))
            valid.append(False)
    codes = encoded.indices.to_numpy()
    faults.add(
        ~np.array(valid)[codes],
        input_errors.UNDECODABLE_BYTES,
        f"{name} has bytes that are not UTF-8 (set data.encoding, such as latin-1)",
    )
    return pa.array(texts).take(encoded.indices)


def to_numbers(
    values: pa.Array, what: str, kind: str, part: Part, faults: Faults
) -> npt.NDArray[np.float64]:
    """Returns float64; what is not a finite number becomes a fault, and 0."""
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


def number_pattern(dialect: Dialect) -> str:
    """Returns the pattern of a number with the dialect's marks."""
    point, group = re.escape(dialect.decimal or "."), re.escape(dialect.thousands or "")
    whole = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{3}})+)" if group else r"\d+"
    return rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"


def _with_points(values: pa.Array, dialect: Dialect) -> pa.Array:
    """Returns numbers as Arrow reads them; what is not a number has no digits left."""
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
    """Converts text in which some values are not numbers; those become null."""
    text = pc.ascii_trim_whitespace(values.cast(pa.string(), safe=False))
    number = pc.match_substring_regex(text, _NUMBER)
    infinite = pc.match_substring_regex(text, _NOT_FINITE)
    plain = pc.ascii_ltrim(pc.if_else(number, text, "nan"), "+")
    return pc.if_else(pc.or_(number, infinite), plain.cast(pa.float64()), None)


def to_text(part: Part, rows: Rows) -> dict[str, pa.Array]:
    """Returns columns of side features as strings or lists of strings, nothing as "".

    The first column is the id.

    Raises:
        BadInputError: When a row has the wrong fields, no id or undecodable bytes.
    """
    faults = Faults(len(next(iter(rows.columns.values()))))
    id_column = part.columns[0][0]
    columns = {}
    for name, values in rows.columns.items():
        convert = to_ids if name == id_column else to_strings
        if pa.types.is_list(values.type) and name != id_column:
            convert = _to_lists
        with naming_type(part, name, values):
            columns[name] = convert(values, name, part, faults)
    bad = name_faults(rows, faults)
    if bad:
        raise BadInputError(
            [Problem(part.name, *problem) for problem in bad],
            advice="Correct these rows: side features are never left out silently.",
        )
    return columns


def _to_lists(values: pa.Array, name: str, part: Part, faults: Faults) -> pa.Array:
    """Returns lists of strings; a null is an empty list."""
    flat = Faults(len(values.flatten()))
    strings = to_strings(values.flatten(), name, part, flat)
    if flat.any:
        rows = pc.list_parent_indices(values).to_numpy()[flat.rows]
        [(kind, reason), *_] = flat.kinds_and_reasons()
        faults.add(np.isin(np.arange(len(values)), rows), kind, reason)
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(False)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(ends, strings)

"""Recognises binary files whose names promise text."""

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import Part

_AS_CSV = "Export the sheet as CSV and use that file."
# (first bytes, what such a file is, what to do)
_KINDS = (
    (b"\x1f\x8b", "compressed with gzip", "Rename it so that it ends in .gz."),
    (b"PAR1", "a Parquet file", "Rename it so that it ends in .parquet."),
    (b"\xd0\xcf\x11\xe0", "an Excel file", _AS_CSV),
)


def check_is_text(part: Part, data: bytes) -> None:
    """Refuses binary formats, and lines that end in only a carriage return.

    Args:
        part: The file, for the error.
        data: The beginning of the file.

    Raises:
        BadInputError: If it cannot be read as text.
    """
    for magic, what, advice in _KINDS:
        if data.startswith(magic):
            raise _error(part, f"the file is {what}", advice)
    if data.startswith(b"PK\x03\x04"):
        if part.base_name.endswith((".xlsx", ".xlsm")):
            raise _error(part, "the file is an Excel file", _AS_CSV)
        raise _error(
            part,
            "the file is a zip archive or an Excel file",
            f"Rename an archive so that it ends in .zip. For an Excel file: {_AS_CSV}",
        )
    if b"\n" not in data and b"\r" in data.rstrip(b"\r"):
        raise _error(
            part,
            "its lines end in a carriage return (CR) only",
            "Convert the line ends: tr '\\r' '\\n' < FILE > NEW_FILE",
        )


def _error(part: Part, what: str, advice: str) -> input_errors.BadInputError:
    return fatal(part.name, input_errors.UNREADABLE_FILE, what, advice)

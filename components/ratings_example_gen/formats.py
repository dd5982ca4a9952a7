"""Recognises which files hold ratings, users and items, and how they are laid out.

MovieLens 100K (``u.data``), 1M and 10M (``ratings.dat``), 20M and later
(``ratings.csv``) are known by their file names; anything else is a person's own
CSV, TSV or Parquet, described by its header, by a column mapping, or, without
either, by the usual order user, item, rating, timestamp.
"""

import csv
import errno
import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from components.ratings_example_gen import files, problems
from components.ratings_example_gen.beside import holds_no_ratings
from components.ratings_example_gen.problems import BadInputError, fatal
from trainer_modules import features

USER_ID, ITEM_ID = features.USER_ID, features.ITEM_ID
RATING, TIMESTAMP = features.RATING, features.TIMESTAMP
RATINGS_COLUMNS = (USER_ID, ITEM_ID, RATING, TIMESTAMP)

PARQUET = "parquet"
DELIMITERS = ("::", "\t", ",", ";", "|")
DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".parquet", ".inter")
# Longest line that is still believed to be text; MovieLens's longest has 200 bytes.
MAX_LINE_BYTES = 1 << 20
# Of Parquet in a zip, which is read as a whole.
MAX_MEMBER_BYTES = 256 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Names that columns of published rating logs really have, without case and marks.
ALIASES = {
    USER_ID: {"userid", "user", "uid", "customerid", "reviewerid", "visitorid"},
    ITEM_ID: {
        "itemid",
        "item",
        "iid",
        "movieid",
        "productid",
        "bookid",
        "asin",
        "isbn",
    },
    RATING: {"rating", "ratings", "score", "stars", "overall", "bookrating"},
    TIMESTAMP: {"timestamp", "time", "ts", "unixtime", "unixreviewtime", "timestamps"},
}
_MOVIELENS_HEADER = b"userId,movieId,rating,timestamp"


@dataclass(frozen=True)
class Part:
    """One table: a file, or a member of a zip archive, and how to read it.

    Attributes:
        path: Path or URI of the file.
        member: Name inside the zip archive, empty when the file is none.
        delimiter: Between fields; ``parquet`` when it is no text.
        quoted: Whether fields may stand in double quotes.
        latin1: Whether bytes that are not UTF-8 are Latin-1 (MovieLens's own).
        header_lines: Lines before the first row, 0 or 1.
        num_fields: Fields of every row.
        columns: (name, 0-based field) of the columns to read.
        size: Bytes, uncompressed where that is known.
    """

    path: str
    member: str = ""
    delimiter: str = ","
    quoted: bool = True
    latin1: bool = False
    header_lines: int = 0
    num_fields: int = 0
    columns: tuple[tuple[str, int], ...] = ()
    size: int = 0

    @property
    def name(self) -> str:
        """The path as a person would write it, with the zip's member."""
        return f"{self.path}/{self.member}" if self.member else self.path

    @property
    def base_name(self) -> str:
        """Lower-case file name without folder and ``.gz``."""
        name = os.path.basename(self.member or self.path).lower()
        return name.removesuffix(".gz")

    @property
    def seekable(self) -> bool:
        """Whether a worker can begin to read in the middle."""
        return not self.member and not self.path.lower().endswith(".gz")


@dataclass(frozen=True)
class Layout:
    """What was recognised at a path.

    Attributes:
        name: For a person, such as ``MovieLens 1M/10M``.
        ratings: The parts that hold ratings, in reading order.
    """

    name: str
    ratings: tuple[Part, ...]

    @property
    def has_timestamps(self) -> bool:
        """Whether every part names a column of times."""
        return all(TIMESTAMP in dict(part.columns) for part in self.ratings)


@contextmanager
def open_part(part: Part) -> Iterator[IO[bytes]]:
    """Opens a part's uncompressed bytes; a zip's member is read in place.

    Raises:
        BadInputError: When the archive is damaged, encrypted or cut short.
    """
    with unpacking(part.name), files.open_binary(part.path) as raw:
        if part.member:
            with zipfile.ZipFile(raw) as archive, archive.open(part.member) as f:
                yield _unzipped(f, part.member)
        else:
            yield _unzipped(raw, part.path)


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Names the file in what libraries say of its bytes; a disk's errors stay so.

    Raises:
        BadInputError: When they are not what they should be.
    """
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise damaged(name, error) from error
    except OSError as error:
        # A seek to where an archive says that something is; Arrow gives no number. What
        # a disk or a remote file system says is told as it is.
        if type(error) is not OSError or error.errno not in (None, errno.EINVAL):
            raise
        raise damaged(name, error) from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile's; a password
        raise damaged(name, error) from error


def _unzipped(raw: IO[bytes], name: str) -> IO[bytes]:
    if name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    return raw


def damaged(name: str, error: Exception) -> BadInputError:
    """Returns the error for an archive that cannot be read to its end."""
    said = str(error).splitlines() or [repr(error)]
    return fatal(
        name,
        problems.TRUNCATED_ARCHIVE,
        f"the archive is damaged or cut short ({said[0]})",
        "Get the file again and compare its size with the original.",
    )


def find_parts(paths: Sequence[str]) -> list[Part]:
    """Returns every table-like part of the given files, looking into zips."""
    parts = []
    for path in paths:
        if not path.lower().endswith(".zip"):
            parts.append(Part(path, size=files.size_and_time(path)[0]))
            continue
        with (
            unpacking(path),
            files.open_binary(path) as raw,
            zipfile.ZipFile(raw) as archive,
        ):
            members = archive.infolist()
        parts += [
            Part(path, info.filename, size=info.file_size)
            for info in members
            if not info.filename.endswith("/")
            and not any(name[:1] in "._" for name in info.filename.split("/"))
        ]
    return parts


def first_line(part: Part) -> bytes:
    """Returns the first line that is not blank, without its end; empty if none."""
    with open_part(part) as f:
        line = f.readline(MAX_LINE_BYTES).removeprefix(BYTE_ORDER_MARK)
        while line and not line.strip(b"\r\n"):
            line = f.readline(MAX_LINE_BYTES)
    return line.rstrip(b"\r\n")


def split_line(text: str, part: Part) -> list[str]:
    """Splits one line into its fields, as the block reader would."""
    if not part.quoted:
        return text.split(part.delimiter)
    try:
        return next(csv.reader([text], delimiter=part.delimiter), [])
    except csv.Error:  # NUL, or a field longer than csv believes in
        return text.split(part.delimiter)


def recognise(
    paths: Sequence[str],
    columns: Mapping[str, str] | None = None,
    apart: Collection[str] = (),
    place: str = "the input",
) -> Layout:
    """Returns the layout of the given files.

    Args:
        paths: Files, as ``files.list_files`` finds them.
        columns: ``user_id``, ``item_id``, ``rating``, ``timestamp`` → the column's
            name or its 0-based number; empty means by file name and header.
        apart: Those that hold something else, whatever their names are.
        place: Where the files were looked for, to name it in an error.

    Raises:
        BadInputError: When no file holds ratings, one is empty or damaged, or a
            header does not match the mapping.
    """
    parts = [part for part in find_parts(paths) if part.path not in apart]
    layout = None if columns else _recognise_movielens(parts)
    return layout or _recognise_own(parts, columns or {}, place)


def _recognise_movielens(parts: Sequence[Part]) -> Layout | None:
    by_name = {part.base_name: part for part in parts}

    def ratings(name: str, **layout: Any) -> tuple[Part, ...]:
        """Every file of the name: spans have one each."""
        columns = tuple(zip(RATINGS_COLUMNS, range(4), strict=True))
        return tuple(
            replace(part, latin1=True, num_fields=4, columns=columns, **layout)
            for part in parts
            if part.base_name == name
        )

    if "u.data" in by_name:
        parts_of = ratings("u.data", delimiter="\t", quoted=False)
        return Layout("MovieLens 100K", parts_of)
    if "ratings.dat" in by_name:
        parts_of = ratings("ratings.dat", delimiter="::", quoted=False)
        return Layout("MovieLens 1M/10M", parts_of)
    tables = ratings("ratings.csv", header_lines=1)
    if tables and all(first_line(part) == _MOVIELENS_HEADER for part in tables):
        return Layout("MovieLens 20M or later", tables)
    return None


def _recognise_own(
    parts: Sequence[Part], columns: Mapping[str, str], place: str
) -> Layout:
    candidates = [part for part in parts if part.base_name.endswith(DATA_SUFFIXES)]
    ratings = [part for part in candidates if not holds_no_ratings(part.base_name)]
    if len(parts) == 1:
        ratings = list(parts)  # Asked for by name, whatever the name is.
    if not ratings:
        raise fatal(
            place,
            problems.NO_RATINGS_FILE,
            f"no ratings file among {len(parts)} files",
            "Give a file, or a folder with u.data, ratings.dat, ratings.csv or your "
            f"own files ending in {', '.join(DATA_SUFFIXES)} (also .gz, .zip).",
        )
    described = tuple(describe(part, columns) for part in ratings)
    kinds = {part.delimiter for part in described}
    text = [part for part in described if part.delimiter != PARQUET]
    headers = {part.header_lines for part in text}
    columns_of_parts = {frozenset(dict(part.columns)) for part in described}
    if len(headers) > 1 or len(columns_of_parts) > 1:
        raise fatal(
            _odd_one_out(described).name,
            problems.HEADER_MISMATCH,
            f"its header or columns are not those of {described[0].name}",
            "Give all parts the same header, or map fewer columns in data.columns.",
        )
    names = {"\t": "TSV", ",": "CSV", PARQUET: "Parquet"}
    kind = " and ".join(
        sorted(names.get(kind, f"text with {kind!r}") for kind in kinds)
    )
    header = "with" if any(part.header_lines for part in described) else "without"
    if kinds != {PARQUET}:
        kind += f" {header} header"
    return Layout(kind, described)


def _odd_one_out(parts: Sequence[Part]) -> Part:
    first = parts[0]
    for part in parts[1:]:
        same_header = part.header_lines == first.header_lines
        if dict(part.columns).keys() != dict(first.columns).keys() or not same_header:
            return part
    return first


def describe(part: Part, columns: Mapping[str, str]) -> Part:
    """Returns the part with its delimiter, header and the columns to read.

    Raises:
        BadInputError: When the part is empty or lacks a mapped column.
    """
    part, names, has_header = read_names(part)
    known = {name: _match(name, names) for name in RATINGS_COLUMNS}
    if columns:
        by_number = all(column.isdecimal() for column in columns.values())
        found = {
            # The first row of a file without a header may say "1", too.
            name: _mapped(part, names, name, column, by_number)
            for name, column in columns.items()
        }
        has_header = not by_number or any(
            known[name] == index for name, index in found.items() if name in known
        )
    elif known[USER_ID] is not None and known[ITEM_ID] is not None:
        found = {name: index for name, index in known.items() if index is not None}
        has_header = True
    elif not has_header and _in_usual_order(names):
        found = dict(zip(RATINGS_COLUMNS, range(len(names)), strict=False))
    else:
        raise _mismatch(
            part, names, "names no column that is known as the user's and the item's id"
        )
    if len(set(found.values())) < len(found):
        raise _mismatch(part, names, "has one column for two of those mapped")
    missing = {USER_ID, ITEM_ID} - found.keys()
    if missing:
        raise _mismatch(part, names, f"is given no column for {', '.join(missing)}")
    return replace(
        part,
        header_lines=int(has_header and part.delimiter != PARQUET),
        num_fields=len(names),
        columns=tuple(
            sorted(found.items(), key=lambda kv: RATINGS_COLUMNS.index(kv[0]))
        ),
    )


def read_names(part: Part) -> tuple[Part, list[str], bool]:
    """Returns the part with its delimiter, its first row, and if that is names.

    Raises:
        BadInputError: When the part is empty, binary or damaged.
    """
    if part.size == 0:
        raise _empty(part)
    if part.base_name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq
        import pyarrow_hotfix  # noqa: F401 - or a type in the file would be unpickled

        try:
            with open_part(part) as f:
                names = pq.ParquetFile(seekable(f)).schema_arrow.names
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise damaged(part.name, error) from error
        if len(set(names)) < len(names):
            raise _mismatch(part, names, "has two columns of one name")
        return replace(part, delimiter=PARQUET), names, True
    line = first_line(part)
    if not line:
        raise _empty(part)
    if b"\0" in line:
        raise fatal(
            part.name,
            problems.HEADER_MISMATCH,
            "the file is binary, not text",
            "Give CSV, TSV or Parquet; a Parquet file's name ends in .parquet, a "
            "compressed one's in .gz or .zip.",
        )
    text = line.decode("utf-8", errors="replace")
    delimiter = "\t"
    if not part.base_name.endswith(".tsv"):
        counts = {mark: text.count(mark) for mark in DELIMITERS}
        delimiter = "::" if counts["::"] else max(counts, key=lambda mark: counts[mark])
    part = replace(part, delimiter=delimiter, quoted=delimiter != "::")
    return part, split_line(text, part), False


def seekable(f: IO[bytes]) -> IO[bytes]:
    """Parquet's table of contents is at the end; a zip's member cannot seek well.

    Raises:
        BadInputError: When the member is too large to be in memory as a whole.
    """
    if not isinstance(f, zipfile.ZipExtFile):
        return f
    whole = f.read(MAX_MEMBER_BYTES + 1)
    if len(whole) > MAX_MEMBER_BYTES:
        raise fatal(
            f.name,
            problems.UNREADABLE_FILE,
            f"a Parquet file of more than {MAX_MEMBER_BYTES >> 20} MB within a zip",
            "Unpack the archive: Parquet is compressed by itself.",
        )
    return io.BytesIO(whole)


def _empty(part: Part) -> BadInputError:
    return fatal(
        part.name,
        problems.EMPTY_FILE,
        "the file is empty",
        "Put the ratings in, or take the file away.",
    )


def _mismatch(part: Part, names: Sequence[str], what: str) -> BadInputError:
    return fatal(
        part.name,
        problems.HEADER_MISMATCH,
        f"the first line ({', '.join(names[:12])}) {what}",
        "Say which columns they are: data.columns maps user_id, item_id, rating and "
        "timestamp to a column's name or its number, counted from 0, as in --set "
        "data.columns.user_id=NAME (`marquee data`: --column user_id=NAME).",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _match(column: str, names: Sequence[str]) -> int | None:
    """Finds a column by the names it usually has; ``:token`` is RecBole's suffix."""
    for index, name in enumerate(names):
        if _plain(name.split(":")[0]) in ALIASES[column]:
            return index
    return None


def _mapped(
    part: Part, names: Sequence[str], name: str, column: str, by_number: bool
) -> int:
    if name not in RATINGS_COLUMNS:
        raise _mismatch(part, names, f"cannot have a column for {name!r}")
    if column in names and not by_number:
        return list(names).index(column)
    if column.isdecimal() and int(column) < len(names):
        return int(column)
    raise _mismatch(part, names, f"has no column {column!r} for {name}")


def _in_usual_order(names: Sequence[str]) -> bool:
    """Whether the first row looks like data: numbers where numbers are expected.

    Of two ids one must have a digit, or a header would pass for a rating.
    """
    if not 2 <= len(names) <= 4:
        return False
    if len(names) == 2 and not re.search(r"\d", "".join(names)):
        return False
    try:
        for name in names[2:]:
            float(name)
    except ValueError:
        return False
    return True

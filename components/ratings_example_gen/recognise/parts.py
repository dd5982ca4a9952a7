"""Parts: files and members of archives that hold one table each, and their bytes."""

import codecs
import errno
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from components.ratings_example_gen import files, input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import BadInputError, fatal

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

TEXT, PARQUET, JSON_LINES = "text", "parquet", "JSON lines"
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
DATA_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", *JSON_SUFFIXES)
# Longest line that is still believed to be text; MovieLens's longest has 200 bytes.
MAX_LINE_BYTES = 1 << 20
# Of Parquet in a zip, which is read as a whole.
MAX_MEMBER_BYTES = 256 << 20
MAX_MEMBERS = 1_000
# Columns, their levels of nesting included, or row groups of a Parquet file.
MAX_FOOTER_ENTRIES = 5_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Part:
    """One table: a file, or a member of a zip archive, and how to read it.

    Attributes:
        path: Path or URI of the file.
        member: Name inside the zip archive, empty when the file is not an archive.
        format: ``TEXT``, ``PARQUET`` or ``JSON_LINES``.
        dialect: How the text is written; its times, numbers and null values count for
            every format.
        num_fields: Number of fields of every row.
        preamble: Lines of text above the table, which are not read.
        columns: (name, 0-based field) of the columns to read.
        keys: Names of all fields; empty where they are not known by names.
        absent: Meanings for which the beginning of JSON lines has no key; one that
            occurs later stops the reading.
        unit_is_guessed: Whether nobody stated the unit of its times, so that a time of
            another unit is a bad row.
        size: Bytes, uncompressed where that is known.
    """

    path: str
    member: str = ""
    format: str = TEXT
    dialect: Dialect = Dialect(delimiter=",", quote='"')
    num_fields: int = 0
    preamble: tuple[str, ...] = ()
    columns: tuple[tuple[str, int], ...] = ()
    keys: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unit_is_guessed: bool = False
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
        compressed = self.member or self.path.lower().endswith(".gz")
        return not compressed and self.dialect.is_utf_8


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
        if len(members) > MAX_MEMBERS:
            raise fatal(
                path,
                input_errors.UNREADABLE_FILE,
                f"the archive has {len(members):,} members",
                f"At most {MAX_MEMBERS:,} are read in place, as each look at one reads "
                "the whole list of them. Unpack the archive.",
            )
        parts += [
            Part(path, info.filename, size=info.file_size)
            for info in members
            if not info.filename.endswith("/")
            and not any(name[:1] in "._" for name in info.filename.split("/"))
        ]
    return parts


@contextmanager
def open_part(part: Part) -> Iterator[IO[bytes]]:
    """Opens a part's uncompressed bytes, text as UTF-8; a member is read in place.

    Raises:
        BadInputError: When the archive is damaged, encrypted or cut short, or the bytes
            are not text of the part's encoding.
    """
    with unpacking(part.name), files.open_binary(part.path) as raw:
        if part.member:
            with zipfile.ZipFile(raw) as archive, archive.open(part.member) as f:
                yield _recoded(_unzipped(f, part.member), part)
        else:
            yield _recoded(_unzipped(raw, part.path), part)


def _unzipped(raw: IO[bytes], name: str) -> IO[bytes]:
    if name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    return raw


def _recoded(raw: IO[bytes], part: Part) -> IO[bytes]:
    if part.format != TEXT or part.dialect.is_utf_8:
        return raw
    return cast(IO[bytes], io.BufferedReader(_Recoder(raw, part)))


class _Recoder(io.RawIOBase):
    """Bytes of some encoding, read as UTF-8."""

    def __init__(self, raw: IO[bytes], part: Part):
        self._raw = raw
        self._part = part
        self._decoder = codecs.getincrementaldecoder(part.dialect.encoding or "")()
        self._waiting = b""
        self._ended = False

    def readable(self) -> bool:
        """Returns True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads at most as many bytes as the buffer takes."""
        while not self._waiting and not self._ended:
            data = self._raw.read(len(buffer))
            self._ended = not data
            try:
                text = self._decoder.decode(data, self._ended)
            except UnicodeError as error:
                raise fatal(
                    self._part.name,
                    input_errors.UNDECODABLE_BYTES,
                    f"the file cannot be read as {self._part.dialect.encoding} "
                    f"({error})",
                    "Set data.encoding to the file's own, such as utf-8, latin-1 or "
                    "utf-16.",
                ) from error
            self._waiting = text.encode("utf-8", "surrogatepass")
        count = min(len(buffer), len(self._waiting))
        buffer[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Names the file in what libraries say of its bytes; a disk's errors stay so.

    Raises:
        BadInputError: When the bytes are not what they should be.
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


def open_parquet(part: Part, f: IO[bytes], **options: Any) -> "ParquetFile":
    """Opens a Parquet file, within bounds of what its footer may demand.

    Arrow walks a schema by recursion, and dies of one that is 20,000 levels deep.

    Raises:
        BadInputError: When the footer is damaged or out of bounds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyarrow_hotfix  # noqa: F401 - or a type in the file would be unpickled

    try:
        return pq.ParquetFile(
            f, thrift_container_size_limit=MAX_FOOTER_ENTRIES, **options
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise damaged(part.name, error) from error
    except OSError as error:
        if "Exceeded size limit" not in str(error):
            raise
        raise fatal(
            part.name,
            input_errors.UNREADABLE_FILE,
            f"more than {MAX_FOOTER_ENTRIES:,} columns or row groups",
            "Leave out columns that are not needed, and write larger row groups.",
        ) from error


def damaged(name: str, error: Exception) -> BadInputError:
    """Returns the error for a file that cannot be read to its end."""
    said = str(error).splitlines() or [repr(error)]
    if isinstance(error, gzip.BadGzipFile) and said[0].startswith("Not a gzipped file"):
        return fatal(
            name,
            input_errors.TRUNCATED_ARCHIVE,
            "the file is not compressed with gzip, though its name ends in .gz",
            "Drop .gz from its name, or get the file again.",
        )
    return fatal(
        name,
        input_errors.TRUNCATED_ARCHIVE,
        f"the file is damaged or cut short ({said[0]})",
        "Get the file again and compare its size with the original.",
    )


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
            input_errors.UNREADABLE_FILE,
            f"a Parquet file of more than {MAX_MEMBER_BYTES >> 20} MB within a zip",
            "Unpack the archive: Parquet is compressed by itself.",
        )
    return io.BytesIO(whole)

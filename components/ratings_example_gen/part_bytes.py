"""Opens the uncompressed bytes of a part, with text recoded as UTF-8."""

import codecs
import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from components.ratings_example_gen import files, input_errors
from components.ratings_example_gen.damaged_files import damaged, naming_damage
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import TEXT, Part

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

# Longest line that is still taken for text; the longest of MovieLens has 200 bytes.
MAX_LINE_BYTES = 1 << 20
# Largest Parquet file within a zip archive: it is held in memory as a whole.
MAX_MEMBER_BYTES = 256 << 20
# Most columns (counting nested levels) or row groups of a Parquet file.
MAX_FOOTER_ENTRIES = 5_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def open_part(part: Part) -> Iterator[IO[bytes]]:
    """Opens a part's uncompressed bytes, text as UTF-8; zip members are read in place.

    Raises:
        BadInputError: If the archive is damaged, encrypted or cut short, or the bytes
            are not text in the part's encoding.
    """
    with naming_damage(part.name), files.open_binary(part.path) as raw:
        if part.member:
            with zipfile.ZipFile(raw) as archive, archive.open(part.member) as stream:
                yield _recoded(_unzipped(stream, part.member), part)
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
    """A stream of text in any encoding, read as UTF-8."""

    def __init__(self, raw: IO[bytes], part: Part):
        self._raw = raw
        self._part = part
        self._decoder = codecs.getincrementaldecoder(part.dialect.encoding or "")()
        self._waiting = b""
        self._ended = False

    def readable(self) -> bool:
        """Returns True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer as far as possible; returns the number of bytes."""
        while not self._waiting and not self._ended:
            data = self._raw.read(len(buffer))
            self._ended = not data
            try:
                text = self._decoder.decode(data, self._ended)
            except UnicodeError as error:
                encoding = self._part.dialect.encoding
                raise fatal(
                    self._part.name,
                    input_errors.UNDECODABLE_BYTES,
                    f"the file cannot be read as {encoding} ({error})",
                    "Set data.encoding to the file's encoding, such as utf-8, latin-1 "
                    "or utf-16.",
                ) from error
            self._waiting = text.encode("utf-8", "surrogatepass")
        count = min(len(buffer), len(self._waiting))
        buffer[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count


def open_parquet(part: Part, stream: IO[bytes], **options: Any) -> "ParquetFile":
    """Opens a Parquet file, and limits what its footer may demand.

    Arrow walks a schema recursively, and crashes on one that is 20,000 levels deep.

    Raises:
        BadInputError: If the footer is damaged or exceeds the limits.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyarrow_hotfix  # noqa: F401 - or a type in the file would be unpickled

    try:
        return pq.ParquetFile(
            stream, thrift_container_size_limit=MAX_FOOTER_ENTRIES, **options
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise damaged(part.name, error) from error
    except OSError as error:
        if "Exceeded size limit" not in str(error):
            raise
        raise fatal(
            part.name,
            input_errors.UNREADABLE_FILE,
            f"the file has more than {MAX_FOOTER_ENTRIES:,} columns or row groups",
            "Leave out columns that are not needed, and write larger row groups.",
        ) from error


def seekable(stream: IO[bytes]) -> IO[bytes]:
    """Returns a stream that seeks fast, as Parquet needs: its index is at the end.

    A zip member seeks slowly, so it is read into memory as a whole.

    Raises:
        BadInputError: If the zip member is too large for that.
    """
    if not isinstance(stream, zipfile.ZipExtFile):
        return stream
    whole = stream.read(MAX_MEMBER_BYTES + 1)
    if len(whole) > MAX_MEMBER_BYTES:
        raise fatal(
            stream.name,
            input_errors.UNREADABLE_FILE,
            f"a Parquet file of more than {MAX_MEMBER_BYTES >> 20} MB in a zip archive",
            "Unpack the archive: Parquet is already compressed.",
        )
    return io.BytesIO(whole)

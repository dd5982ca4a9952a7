"""Turns the errors of compression and archive libraries into errors of the file."""

import errno
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import BadInputError, fatal


@contextmanager
def naming_damage(name: str) -> Iterator[None]:
    """Adds the file's name to library errors about its bytes.

    Disk and network errors are passed on unchanged.

    Raises:
        BadInputError: If the file is damaged, encrypted or cut short.
    """
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise damaged(name, error) from error
    except OSError as error:
        # EINVAL: a seek to an offset that a damaged archive states. None: Arrow. Any
        # other number comes from a disk or a remote file system.
        if type(error) is not OSError or error.errno not in (None, errno.EINVAL):
            raise
        raise damaged(name, error) from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile: needs a password
        raise damaged(name, error) from error


def damaged(name: str, error: Exception) -> BadInputError:
    """Returns the error for a file that cannot be read to its end."""
    lines = str(error).splitlines() or [repr(error)]
    is_not_gzip = isinstance(error, gzip.BadGzipFile)
    if is_not_gzip and lines[0].startswith("Not a gzipped file"):
        return fatal(
            name,
            input_errors.TRUNCATED_ARCHIVE,
            "the file is not compressed with gzip, although its name ends in .gz",
            "Remove .gz from its name, or get the file again.",
        )
    return fatal(
        name,
        input_errors.TRUNCATED_ARCHIVE,
        f"the file is damaged or cut short ({lines[0]})",
        "Get the file again and compare its size with the original.",
    )

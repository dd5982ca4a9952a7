"""Downloads files and unpacks archives: checked, and completely or not at all."""

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError, ReadTimeoutError, SSLError
from urllib3.util import Retry

from components import content_hash, durable_files
from pipeline.datasets.errors import DatasetError

Progress = Callable[[str, int, int | None], None]
"""Called with a description, the bytes done, and the total bytes, if known."""

BLOCK_BYTES = 1 << 20
CONNECT_AND_READ_SECONDS = (10.0, 60.0)
MAX_CONNECTIONS = 6  # each resumes where the one before it broke off
MAX_MEMBERS = 1_000


@contextmanager
def whole_folder(destination: Path) -> Iterator[Path]:
    """Yields a new folder that becomes ``destination`` if the block succeeds.

    If the block fails, the folder is removed. If another process creates
    ``destination`` meanwhile, that one is kept.
    """
    temporary = durable_files.unfinished_beside(destination)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        try:
            durable_files.move(temporary, destination)
        except OSError:
            if not destination.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def download(url: str, path: Path, md5: str, progress: Progress) -> None:
    """Downloads a file to ``path`` once it is complete and its checksum is right.

    An incomplete download is kept in ``<name>.part``; a later call resumes it.

    Args:
        url: Address of the file.
        path: Path to save it to.
        md5: Published MD5 of the file, in hexadecimal digits.
        progress: Called with the bytes downloaded.

    Raises:
        DatasetError: If the connection keeps breaking, or the downloaded file is not
            the one that was published.
        requests.RequestException: If the server cannot be reached, or refuses.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with requests.Session() as session:
        retry = Retry(
            total=3, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504)
        )
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        for _ in range(MAX_CONNECTIONS):
            if _receive(session, url, part, progress):
                break
        else:
            raise DatasetError(
                f"{url}: the connection broke {MAX_CONNECTIONS} times. "
                "Run this again to resume the download."
            )
    if (found := content_hash.of_file(part, "md5")) != md5:
        part.unlink()
        raise DatasetError(
            f"{url}: the downloaded file has MD5 {found}, but {md5} was published. "
            "The file was deleted; run this again to download it anew."
        )
    durable_files.move(part, path)


def _receive(
    session: requests.Session, url: str, part: Path, progress: Progress
) -> bool:
    """Appends the missing bytes to ``part``; returns False if the connection broke."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with session.get(
        url, headers=headers, stream=True, timeout=CONNECT_AND_READ_SECONDS
    ) as response:
        if done and response.status_code == requests.codes.requested_range:
            return True  # The file is complete or too long: its MD5 will show which.
        response.raise_for_status()
        if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            done = 0  # A server without Range sends everything again.
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        description = f"Downloading {PurePosixPath(url).name}"
        with part.open("ab" if done else "wb") as file:
            progress(description, done, total)
            try:
                # iter_content would lose the start of an interrupted block.
                while block := response.raw.read1(BLOCK_BYTES, decode_content=True):
                    file.write(block)
                    done += len(block)
                    progress(description, done, total)
            except (ProtocolError, ReadTimeoutError, SSLError):
                return False
    return True


def unpack(
    archive: Path,
    destination: Path,
    landmark: str,
    max_bytes: int,
    check: Callable[[Path], None],
    progress: Progress,
) -> None:
    """Unpacks the folder of a zip archive that contains the file ``landmark``.

    Args:
        archive: A zip file that need not be trusted.
        destination: The folder to create; nothing is written beside it.
        landmark: Name of a file; the files beside and below it are unpacked.
        max_bytes: Largest unpacked size that is accepted, in bytes.
        check: Called with the unpacked folder before it gets its name; may raise.
        progress: Called with the bytes unpacked.

    Raises:
        DatasetError: If the archive is broken or unsafe, or lacks ``landmark``.
    """
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            whole_folder(destination) as temporary,
        ):
            members = _safe_members(opened, max_bytes)
            folder = _folder_of(landmark, members)
            files = {
                path.relative_to(folder): member
                for path, member in members.items()
                if path.is_relative_to(folder)
            }
            description = f"Unpacking {archive.name}"
            done, total = 0, sum(member.file_size for member in files.values())
            for path, member in files.items():
                progress(description, done, total)
                _extract(opened, member, temporary / path)
                done += member.file_size
            progress(description, done, total)
            check(temporary)
    except _BROKEN as error:
        raise DatasetError(
            f"{archive}: cannot be unpacked, {error or 'it ends too early'}. "
            "Delete it and get it again."
        ) from error


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Writes one member, at most as many bytes as it declares.

    Reading stops at the declared size and compares the CRC there, so that the bound on
    declared sizes holds for what is written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, BLOCK_BYTES)


class _UnsafeArchiveError(Exception):
    """An archive would write to a place or a kind of file that it must not."""


# What zipfile raises for a broken archive, and what is raised here for an unsafe one.
_BROKEN = (
    zipfile.BadZipFile,  # includes a wrong CRC
    zlib.error,
    EOFError,
    UnicodeDecodeError,
    NotImplementedError,
    _UnsafeArchiveError,
)


def _safe_members(
    opened: zipfile.ZipFile, max_bytes: int
) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Returns the files in an archive by path, none of which can leave the folder.

    Raises:
        _UnsafeArchiveError: If the archive has an unsafe member, the same member twice,
            or more members or bytes than expected.
    """
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    infos = opened.infolist()
    if len(infos) > MAX_MEMBERS:
        raise _UnsafeArchiveError(f"it has {len(infos):,} members")
    for info in infos:
        _check_member(info)
        if info.is_dir():
            continue
        path = PurePosixPath(info.orig_filename)
        if path in members:
            raise _UnsafeArchiveError(f"its member {info.orig_filename!r} occurs twice")
        members[path] = info
    if (total := sum(info.file_size for info in members.values())) > max_bytes:
        raise _UnsafeArchiveError(
            f"it would unpack to {total:,} bytes, more than the {max_bytes:,} expected"
        )
    return members


def _check_member(info: zipfile.ZipInfo) -> None:
    """Refuses a member that could leave the folder, or that zipfile cannot unpack.

    Raises:
        _UnsafeArchiveError: If the member is such.
    """
    # `orig_filename` is what the archive states; `filename` has been made harmless.
    name, path = info.orig_filename, PurePosixPath(info.orig_filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\\\0]|^\w:", name):
        problem = "would leave the folder"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        problem = "is a link or a device"
    elif info.flag_bits & 0x1:
        problem = "is encrypted"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        problem = "is not compressed with deflate"
    elif info.header_offset < 0:  # zipfile would seek there
        problem = "begins before the archive"
    else:
        return
    raise _UnsafeArchiveError(f"its member {name!r} {problem}")


def _folder_of(
    landmark: str, members: dict[PurePosixPath, zipfile.ZipInfo]
) -> PurePosixPath:
    """Returns the folder that contains the file ``landmark``."""
    folders = [path.parent for path in members if path.name == landmark]
    if len(folders) != 1:
        raise _UnsafeArchiveError(f"it has {len(folders)} files named {landmark}")
    return folders[0]

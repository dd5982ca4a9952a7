"""Parts: files, and members of zip archives, that hold one table each."""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from components.ratings_example_gen import files, input_errors
from components.ratings_example_gen.damaged_files import naming_damage
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import fatal

TEXT, PARQUET, JSON_LINES = "text", "parquet", "JSON lines"
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
DATA_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", *JSON_SUFFIXES)
MAX_MEMBERS = 1_000


@dataclass(frozen=True)
class Part:
    """One table, a file or a member of a zip archive, and how to read it.

    Attributes:
        path: Path or URI of the file.
        member: Name inside the zip archive; empty if the file is not an archive.
        format: ``TEXT``, ``PARQUET`` or ``JSON_LINES``.
        dialect: How the text is written. Its settings for times, numbers and null
            values apply to every format.
        num_fields: Number of fields in every row.
        preamble: Lines above the table, which are skipped.
        columns: (name, 0-based field) of each column to read.
        keys: Names of all fields; empty if the fields have no names.
        absent: Meanings for which the beginning of a JSON lines file has no key. If
            such a key occurs later, reading stops.
        unit_is_guessed: Whether the unit of its times was guessed rather than stated,
            so that a time in another unit is a bad row.
        size: Size in bytes, uncompressed where that is known.
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
        """The path as a person would write it, followed by the zip member."""
        return f"{self.path}/{self.member}" if self.member else self.path

    @property
    def base_name(self) -> str:
        """The lower-case file name, without the folder and ``.gz``."""
        name = os.path.basename(self.member or self.path).lower()
        return name.removesuffix(".gz")

    @property
    def seekable(self) -> bool:
        """Whether a worker can start reading in the middle."""
        compressed = self.member or self.path.lower().endswith(".gz")
        return not compressed and self.dialect.is_utf_8


def find_parts(paths: Sequence[str]) -> list[Part]:
    """Returns one part per file, and one per visible member of each zip archive.

    Raises:
        BadInputError: If an archive is damaged or has too many members.
    """
    parts = []
    for path in paths:
        if not path.lower().endswith(".zip"):
            parts.append(Part(path, size=files.size_and_time(path)[0]))
            continue
        with (
            naming_damage(path),
            files.open_binary(path) as raw,
            zipfile.ZipFile(raw) as archive,
        ):
            members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise fatal(
                path,
                input_errors.UNREADABLE_FILE,
                f"the archive has {len(members):,} members",
                f"At most {MAX_MEMBERS:,} can be read in place, because opening one "
                "reads the whole member list. Unpack the archive.",
            )
        parts += [
            Part(path, info.filename, size=info.file_size)
            for info in members
            if not info.filename.endswith("/")
            and not any(name[:1] in "._" for name in info.filename.split("/"))
        ]
    return parts

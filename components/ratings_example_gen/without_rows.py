"""Finds the rows of some users or items in a file, and copies the file without them."""

import codecs
import gzip
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ratings_example_gen.part_bytes import open_parquet, open_part, seekable
from components.ratings_example_gen.parts import PARQUET, TEXT, Part
from components.ratings_example_gen.read.bad_rows import Faults
from components.ratings_example_gen.read.blocks import read_rows
from components.ratings_example_gen.read.ids import to_ids
from components.ratings_example_gen.read.records import Records
from components.ratings_example_gen.read.rows import Block, Rows
from components.ratings_example_gen.read.text_pieces import pieces

Wanted = Mapping[str, Collection[str]]  # name of a column of IDs → IDs


class NotRewrittenError(RuntimeError):
    """A file could not be copied without some of its rows."""


def find_rows(
    part: Part, wanted: Wanted, mentions: Callable[[str], bool]
) -> tuple[set[int], int]:
    """Finds the rows of some users or items, good and bad ones.

    Args:
        part: The file, with the columns to read.
        wanted: The IDs, by the name of their column.
        mentions: Whether the text of a row that has the wrong number of fields, so that
            its ID is not known, contains one of the IDs.

    Returns:
        The rows: 1-based lines in which they begin in text, 1-based rows in Parquet;
        and the number of all rows.

    Raises:
        BadInputError: If the file is damaged.
    """
    found: set[int] = set()
    total = 0
    for rows in read_rows(part, Block(0, 0)):
        places = [line for line, _ in rows.locate(_matches(part, rows, wanted))]
        places += [line for line, _, _, text in rows.bad if mentions(text)]
        found.update(rows.begin + place for place in places)
        total += len(next(iter(rows.columns.values()))) + len(rows.bad)
    return found, total


def _matches(part: Part, rows: Rows, wanted: Wanted) -> np.ndarray:
    """Returns the 0-based numbers of the rows with one of the IDs."""
    mask = np.zeros(len(next(iter(rows.columns.values()))), np.bool_)
    for name in wanted.keys() & rows.columns.keys():
        ids = to_ids(rows.columns[name], name, part, Faults(len(mask)))
        chosen = pa.array(sorted(wanted[name]), pa.string())
        mask |= pc.is_in(ids, value_set=chosen).to_numpy(False)
    return np.flatnonzero(mask)


def copy_without(path: Path, places: Mapping[Part, Set[int]], target: Path) -> None:
    """Copies a file without some rows; everything else stays as it is written.

    Args:
        path: The file, an archive or a plain file.
        places: Parts of the file, and the rows to leave out of each, as ``find_rows``
            returns them.
        target: The copy, whose name ends like the name of the file.

    Raises:
        NotRewrittenError: If the copy does not have exactly the other rows.
    """
    with open(target, "wb") as file:
        if path.suffix.lower() == ".zip":
            _copy_archive(path, places, file)
        else:
            [(part, rows)] = places.items()
            with _packed(path.name, file) as packed:
                _copy(part, rows, packed)
    for part, rows in places.items():
        copy = replace(part, path=str(target), size=target.stat().st_size)
        _, before = find_rows(part, {}, lambda _: False)
        _, after = find_rows(copy, {}, lambda _: False)
        if after != before - len(rows):
            raise NotRewrittenError(
                f"{part.name} has {before:,} rows, {len(rows):,} of which are to be "
                f"removed, but its copy has {after:,}. Nothing was changed; remove the "
                "rows by hand"
            )


def _copy_archive(path: Path, places: Mapping[Part, Set[int]], file: IO[bytes]) -> None:
    by_member = {part.member: (part, rows) for part, rows in places.items()}
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(file, "w") as target:
        for info in source.infolist():
            if info.filename not in by_member:
                target.writestr(info, source.read(info))
                continue
            part, rows = by_member[info.filename]
            with (
                target.open(_unsized(info), "w", force_zip64=True) as member,
                _packed(info.filename, member) as packed,
            ):
                _copy(part, rows, packed)


def _unsized(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Returns the description of a member whose size is not known yet."""
    new = zipfile.ZipInfo(info.filename, info.date_time)
    new.compress_type, new.external_attr = info.compress_type, info.external_attr
    return new


@contextmanager
def _packed(name: str, file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yields a file to write to, which is compressed if its name ends in ``.gz``."""
    if not name.lower().endswith(".gz"):
        yield file
        return
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        yield cast(IO[bytes], packed)


def _copy(part: Part, left_out: Set[int], target: IO[bytes]) -> None:
    with open_part(part) as stream:
        if part.format == PARQUET:
            _copy_parquet(part, stream, left_out, target)
        else:
            _copy_text(part, stream, left_out, target)


def _copy_text(
    part: Part, stream: IO[bytes], left_out: Set[int], target: IO[bytes]
) -> None:
    encode = codecs.getincrementalencoder(part.dialect.encoding or "utf-8")().encode
    is_recoded = part.format == TEXT and not part.dialect.is_utf_8
    before = 0  # lines
    for data in pieces(part, stream):
        records = Records(part, data)
        keeps = ~np.isin(records.line + before + 1, sorted(left_out))
        before += data.count(b"\n")
        spans = zip(records.begins[keeps], records.ends[keeps], strict=True)
        kept = data if keeps.all() else b"".join(data[b:e] for b, e in spans)
        target.write(
            encode(kept.decode("utf-8", "surrogatepass")) if is_recoded else kept
        )


def _copy_parquet(
    part: Part, stream: IO[bytes], left_out: Set[int], target: IO[bytes]
) -> None:
    file = open_parquet(part, seekable(stream))
    codecs_used = {}
    if file.metadata.num_row_groups:
        group = file.metadata.row_group(0)
        for column in map(group.column, range(group.num_columns)):
            name = column.compression.lower()
            codecs_used[column.path_in_schema] = (
                "none" if name == "uncompressed" else name
            )
    before = 0  # rows
    with pq.ParquetWriter(
        target, file.schema_arrow, compression=codecs_used or "snappy"
    ) as writer:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, use_threads=False)
            rows = np.arange(before + 1, before + table.num_rows + 1)
            before += table.num_rows
            kept = table.filter(pa.array(~np.isin(rows, sorted(left_out))))
            writer.write_table(kept, row_group_size=max(1, kept.num_rows))

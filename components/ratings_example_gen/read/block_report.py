"""What was read and which rows were bad, per block and in total."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.ratings_example_gen.input_errors import (
    EMPTY_FILE,
    MAX_SHOWN,
    BadInputError,
    Problem,
)
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.ratings import Ratings
from components.ratings_example_gen.read.rows import MAX_LATE_KEYS, BadRow, Block


class BlockReport:
    """What reading one block found, beside the good rows.

    Attributes:
        block: The block.
        rows: Number of rows read, good and bad.
        lines: Number of lines read.
        counts: Kind of problem → number of bad rows.
        first: The first ten bad rows.
        late_keys: Keys of JSON objects that first occur below the lines from which
            columns are recognised → number of rows with them.
        fatal: The error that stopped the reading; None if there was none.
    """

    def __init__(self, block: Block):
        self.block = block
        self.rows = 0
        self.lines = 0
        self.counts: Counter[str] = Counter()
        self.first: list[BadRow] = []
        self.late_keys: Counter[str] = Counter()
        self.fatal: BadInputError | None = None

    def add(self, ratings: Ratings) -> None:
        """Counts the next piece of the block."""
        self.rows += ratings.num_rows
        self.lines = ratings.end
        self.counts.update(kind for _, kind, _, _ in ratings.bad)
        self.late_keys.update(ratings.late_keys)
        self.first = (self.first + ratings.bad)[:MAX_SHOWN]


@dataclass(frozen=True)
class FileRows:
    """One file of ratings that was read.

    Attributes:
        name: Path of the file, with the member of a zip archive.
        bytes: Size of the file, uncompressed where that is known.
        rows: Number of rows read, good and bad.
    """

    name: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class ReadSummary:
    """What reading all blocks found, beside the good rows.

    Attributes:
        read: Number of rows read, good and bad.
        files: The files that were read.
        quarantined: Number of bad rows.
        bad_by_kind: Kind of problem → number of bad rows.
        first_problems: The first ten bad rows.
        late_keys: As in ``BlockReport``, the most frequent ones.
        fatal_by_kind: Kind of problem → number of problems that stopped the reading.
        fatal: The first ten of these.
    """

    read: int
    files: list[FileRows]
    quarantined: int
    bad_by_kind: dict[str, int]
    first_problems: list[Problem]
    late_keys: dict[str, int]
    fatal_by_kind: dict[str, int]
    fatal: list[Problem]


def first_lines(reports: Sequence[BlockReport]) -> dict[int, int]:
    """Returns for each block's number how many lines of its part precede it."""
    before: dict[int, int] = {}
    lines: Counter[int] = Counter()
    for report in sorted(reports, key=lambda report: report.block.number):
        before[report.block.number] = lines[report.block.part]
        lines[report.block.part] += report.lines
    return before


def summarise_reports(
    reports: Sequence[BlockReport],
    parts: Sequence[Part],
    user_errors: Sequence[BadInputError] = (),
) -> ReadSummary:
    """Adds up the reports of all blocks.

    Args:
        reports: One report per block, in any order.
        parts: The parts that the blocks belong to.
        user_errors: What stopped the reading of the file of users.
    """
    before = first_lines(reports)
    by_kind: Counter[str] = Counter()
    rows_of_part: Counter[int] = Counter()
    late_keys: Counter[str] = Counter()
    first: list[Problem] = []
    errors = list(user_errors)
    for report in sorted(reports, key=lambda report: report.block.number):
        part = report.block.part
        by_kind.update(report.counts)
        rows_of_part[part] += report.rows
        late_keys.update(report.late_keys)
        if report.fatal:
            errors.append(report.fatal)
        for line, kind, reason, text in report.first:
            line += before[report.block.number]
            first.append(Problem(parts[part].name, line, kind, reason, text))
    if not errors:
        errors = [
            _empty_file_error(part)
            for index, part in enumerate(parts)
            if not rows_of_part[index]
        ]
    fatal_by_kind: Counter[str] = Counter()
    for error in errors:
        fatal_by_kind.update(error.counts)
    fatal = [problem for error in errors for problem in error.first_problems]
    return ReadSummary(
        read=sum(rows_of_part.values()),
        files=[FileRows(p.name, p.size, rows_of_part[i]) for i, p in enumerate(parts)],
        quarantined=sum(by_kind.values()),
        bad_by_kind=dict(by_kind),
        first_problems=first[:MAX_SHOWN],
        late_keys=dict(late_keys.most_common(MAX_LATE_KEYS)),
        fatal_by_kind=dict(fatal_by_kind),
        fatal=fatal[:MAX_SHOWN],
    )


def _empty_file_error(part: Part) -> BadInputError:
    return BadInputError([Problem(part.name, 0, EMPTY_FILE, "the file has no rows")])

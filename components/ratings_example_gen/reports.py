"""What was read and what was wrong with it, added up over blocks."""

from collections import Counter
from typing import Any

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import BadInputError, Problem
from components.ratings_example_gen.read.ratings import Ratings
from components.ratings_example_gen.read.rows import MAX_LATE_KEYS, BadRow, Block
from components.ratings_example_gen.recognise.parts import Part
from trainer_modules.features import SPLITS


class BlockReport:
    """What reading one block found, beside the good rows.

    Attributes:
        block: The block.
        rows: Rows read, good and bad.
        lines: Lines read.
        counts: Bad rows by kind.
        first: The first ten bad rows.
        late_keys: Keys of JSON objects that first occur below the lines from which
            columns are recognised → rows with them.
        fatal: What stopped the reading.
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
        self.first = (self.first + ratings.bad)[: input_errors.MAX_SHOWN]


def first_lines(reports: list[BlockReport]) -> dict[int, int]:
    """Returns for each block's number how many lines of its part lie before it."""
    before: dict[int, int] = {}
    lines: Counter[int] = Counter()
    for report in sorted(reports, key=lambda report: report.block.number):
        before[report.block.number] = lines[report.block.part]
        lines[report.block.part] += report.lines
    return before


def summarise(
    reports: list[BlockReport],
    counts: dict[str, Any],
    records: dict[str, int],
    parts: tuple[Part, ...],
    user_errors: list[BadInputError],
) -> dict[str, Any]:
    """Returns the content of ``counts.json``.

    ``records`` are the Examples of each split, ``files`` those that were read;
    ``read = kept + quarantined + duplicates + truncated``; ``bad_by_kind`` and
    ``first_problems`` say what the quarantined rows are, ``fatal`` and
    ``fatal_by_kind`` what stopped the reading of a file; ``late_keys`` are keys of JSON
    objects that recognition did not see → rows with them.
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
            BadInputError(
                [Problem(part.name, 0, input_errors.EMPTY_FILE, "the file has no rows")]
            )
            for index, part in enumerate(parts)
            if not rows_of_part[index]
        ]
    fatal_by_kind: Counter[str] = Counter()
    for error in errors:
        fatal_by_kind.update(error.counts)
    fatal = [problem for error in errors for problem in error.first_problems]
    return {
        "read": sum(rows_of_part.values()),
        "files": [
            {"name": part.name, "bytes": part.size, "rows": rows_of_part[index]}
            for index, part in enumerate(parts)
        ],
        **counts,
        "quarantined": sum(by_kind.values()),
        "records": {split: records.get(split, 0) for split in SPLITS},
        "bad_by_kind": dict(by_kind),
        "first_problems": [vars(p) for p in first[: input_errors.MAX_SHOWN]],
        "late_keys": dict(late_keys.most_common(MAX_LATE_KEYS)),
        "fatal_by_kind": dict(fatal_by_kind),
        "fatal": [vars(p) for p in fatal[: input_errors.MAX_SHOWN]],
    }

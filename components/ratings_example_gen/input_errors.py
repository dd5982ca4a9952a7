"""What can be wrong with an input file, and the error that reports it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.wording import counted

MAX_SHOWN = 10
MAX_TEXT = 200

WRONG_NUMBER_OF_FIELDS = "wrong_number_of_fields"
NON_NUMERIC_RATING = "non_numeric_rating"
NON_NUMERIC_TIME = "non_numeric_time"
NON_NUMERIC_FEATURE = "non_numeric_feature"
RATING_OUT_OF_RANGE = "rating_out_of_range"
TIME_OUT_OF_RANGE = "time_out_of_range"
NOT_FINITE = "not_finite"
EMPTY_ID = "empty_id"
NESTED_ID = "nested_id"
UNDECODABLE_BYTES = "undecodable_bytes"
UNCLOSED_QUOTE = "unclosed_quote"
CONTROL_CHARACTER = "control_character"
NOT_JSON = "not_json"
REPEATED_HEADER = "repeated_header"
UNKNOWN_EVENT_TYPE = "unknown_event_type"

# Kind of bad row → the words that follow the number of such rows.
OF_ROWS = {
    WRONG_NUMBER_OF_FIELDS: "with the wrong number of fields",
    NON_NUMERIC_RATING: "with a rating that is not a number",
    NON_NUMERIC_TIME: "with a time that cannot be read",
    NON_NUMERIC_FEATURE: "with a feature that is not a number",
    RATING_OUT_OF_RANGE: "with a rating out of range",
    TIME_OUT_OF_RANGE: "with a time out of range",
    NOT_FINITE: "with a number that is not finite",
    EMPTY_ID: "with an empty id",
    NESTED_ID: "with a list or an object as an id",
    UNDECODABLE_BYTES: "with bytes that are not text",
    UNCLOSED_QUOTE: "with a quote that is not closed",
    CONTROL_CHARACTER: "with a control character",
    NOT_JSON: "without a JSON object",
    REPEATED_HEADER: "with the header again",
    UNKNOWN_EVENT_TYPE: "with an event type that is not in events.types",
}


def describe_rows(kind: str, count: int) -> str:
    """Returns the number of rows with one problem, as ``2 rows with an empty id``."""
    return f"{counted(count, 'row')} {OF_ROWS[kind]}"


HEADER_MISMATCH = "header_mismatch"
TRUNCATED_ARCHIVE = "truncated_archive"
UNREADABLE_FILE = "unreadable_file"
NOT_A_FILE = "not_a_file"
CHANGED_FILE = "changed_file"
EMPTY_FILE = "empty_file"
NO_RATINGS_FILE = "no_ratings_file"
NO_SIDE_FILE = "no_side_file"
AMBIGUOUS_FILES = "ambiguous_files"
AMBIGUOUS_COLUMNS = "ambiguous_columns"
READ_DIFFERENTLY = "read_differently"
NO_TIMESTAMPS = "no_timestamps"
EMPTY_SPLIT = "empty_split"


@dataclass(frozen=True)
class Problem:
    """One bad row, or (line 0) one bad file.

    Attributes:
        file: Path of the file, followed by ``/`` and the member of a zip archive.
        line: 1-based line (or row of a Parquet file); 0 means the whole file.
        kind: One of this module's kinds.
        reason: What is wrong, in words.
        text: The row as it was read, cut to 200 characters.
    """

    file: str
    line: int
    kind: str
    reason: str
    text: str = ""

    def __str__(self) -> str:
        """Returns ``file:line: reason``, and the row's text if there is one."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.reason}" + (f": {self.text!r}" if self.text else "")


class BadInputError(ValueError):
    """The input cannot be used as it is; nothing was changed.

    Attributes:
        counts: Kind → number of problems.
        first_problems: The first ten problems, in the order of files and lines.
        advice: How to fix the input.
    """

    def __init__(
        self,
        first_problems: Sequence[Problem],
        counts: Mapping[str, int] | None = None,
        advice: str = "Correct the input and run again.",
    ):
        self.first_problems = tuple(first_problems[:MAX_SHOWN])
        self.counts = dict(counts or Counter(p.kind for p in first_problems))
        self.advice = advice
        super().__init__(self._message())

    def _message(self) -> str:
        total = sum(self.counts.values())
        head = f"{counted(total, 'problem')} in the input"
        # A bad file (line 0) has a reason of its own; bad rows are summed up by kind.
        rows = [
            describe_rows(kind, count)
            for kind, count in sorted(self.counts.items(), key=lambda kv: -kv[1])
            if kind in OF_ROWS and all(problem.line for problem in self.first_problems)
        ]
        if rows:
            head += f" ({', '.join(rows)})"
        shown = [f"  {problem}" for problem in self.first_problems]
        rest = total - len(shown)
        if rest > 0:
            shown.append(f"  ... and {rest:,} more")
        return "\n".join([f"{head}:", *shown, self.advice])

    def __reduce__(self) -> tuple[type["BadInputError"], tuple[object, ...]]:
        """Pickles the parts rather than the message, so that workers can raise it."""
        return type(self), (self.first_problems, self.counts, self.advice)


def fatal(file: str, kind: str, reason: str, advice: str) -> BadInputError:
    """Returns the error for a file that cannot be read at all."""
    return BadInputError([Problem(file, 0, kind, reason)], advice=advice)

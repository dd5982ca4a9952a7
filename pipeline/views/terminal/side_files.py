"""Describes the files of items and users, and how well they fit the ratings."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from components.wording import counted
from pipeline.runs.record import DataRecord
from pipeline.views.formatting import inert
from trainer_modules.features import CATEGORY

if TYPE_CHECKING:
    from components.ratings_example_gen.side_files.columns import SideTable
    from components.ratings_example_gen.side_files.summary import (
        FeatureSummary,
        SideSummary,
    )
    from components.ratings_example_gen.side_files.tables import SideTables
    from trainer_modules.features import Kind

_MAX_NAMES = 5
# Below this share of matched ids, a file probably has other ids than the ratings.
FEW = 0.5


def side_facts(tables: "SideTables") -> Iterator[tuple[str, str]]:
    """Yields how the files of items and users will be read, before anything is read."""
    for kind, table in (("items", tables.items), ("users", tables.users)):
        yield kind.capitalize(), _table_line(kind, table)
        if first := tables.first_matches.get(kind):
            line = matched(kind, first.rated, first.matched, first.first_missing)
            yield "", f"{line} (in the first {counted(first.rows, 'rating')})"
        elif table:
            yield "", "not compared with the ratings yet; the end of the run shows it"
    if tables.unused:
        yield "Not read", name_some(tables.unused)


def _table_line(kind: str, table: "SideTable | None") -> str:
    if table is None:
        return _no_file(kind)
    facts = [f"{table.part.name}, {table.written}"]
    facts += [
        f"{name} from {header!r}{_kind(table.kinds.get(name))}"
        for name, header in table.headers.items()
    ]
    if table.unread:
        facts.append(f"not read: {_unread(table.unread)}")
    return "; ".join(facts)


def _kind(kind: "Kind | None") -> str:
    if kind is None:
        return ""
    what = "numbers" if kind.is_vector else "buckets"
    return f" ({kind.name}, {kind.size} {what})" if kind.size else f" ({kind.name})"


def describe_file(kind: str, summary: "SideSummary | None") -> Iterator[str]:
    """Yields the lines that describe a file of items or users.

    Args:
        kind: ``items`` or ``users``.
        summary: Summary of the file; None if there is none.
    """
    if summary is None:
        yield _no_file(kind)
        return
    yield f"{summary.file}: {counted(summary.rows, 'row')}, {summary.written}"
    line = matched(kind, summary.rated, summary.matched, summary.first_missing)
    if summary.first_missing and summary.first_unrated is not None:
        line += " in the ratings; of the file without ratings: "
        line += f"{summary.first_unrated!r}"
    yield line
    columns = f"id: column {summary.id_column!r}"
    if summary.title_column is not None:
        columns += f"; title: column {summary.title_column!r}"
        columns += f" ({summary.title_example!r})" if summary.title_example else ""
    yield columns
    if summary.features:
        shown = [_feature(feature, summary.rows) for feature in summary.features]
        yield f"features: {', '.join(shown)}"
    for feature in summary.features:
        yield from _remarks(feature)
    if summary.unread:
        yield f"columns not read: {_unread(summary.unread)}"
    if summary.repeated:
        yield f"{_repeating(summary.repeated)}; the last row of an id counts"
    if summary.decoded:
        values = counted(summary.decoded, "value")
        yield f"{values} had HTML entities (&amp;), now decoded"


def matched_files(data: DataRecord) -> RenderableType | None:
    """Returns how well a run's files of items and users fit its ratings."""
    lines = []
    for kind, found in (("items", data.items_file), ("users", data.users_file)):
        if found is None:
            continue
        text = matched(kind, found.rated, found.matched, found.first_missing)
        is_odd = found.matched < FEW * found.rated
        line = Text(f"{kind.capitalize()}  ", "bold")
        line.append(f"{inert(Path(found.file).name)}: ", "not bold")
        line.append(inert(text), "not bold yellow" if is_odd else "not bold")
        if found.repeated:
            line.append(f"; {_repeating(found.repeated)}", "not bold")
        lines.append(line)
    return Group(*lines) if lines else None


def matched(kind: str, rated: int, found: int, missing: Sequence[str]) -> str:
    """Returns how many of the rated items, or of the users, a file describes."""
    whom = "rated items" if kind == "items" else "users"
    if not rated:
        return f"there are no {whom} to look for"
    share = f"{found / rated:.0%}"
    if missing and share == "100%":
        share = "over 99%"
    line = f"{found:,} of {rated:,} {whom} found in it ({share})"
    if found < FEW * rated:
        one = kind.removesuffix("s")
        line += f"; are these the same ids (--{one}-column {one}_id=NAME)?"
    if missing:
        line += f"; first missing: {', '.join(map(repr, missing))}"
    return line


def _repeating(rows: int) -> str:
    return f"{counted(rows, 'row')} {'repeats' if rows == 1 else 'repeat'} an id"


def name_some(names: Sequence[str]) -> str:
    """Returns the first of some names, and how many more there are."""
    shown = ", ".join(names[:_MAX_NAMES])
    rest = len(names) - _MAX_NAMES
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _no_file(kind: str) -> str:
    return f"no file found; data.{kind}=PATH names one"


def _unread(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name!r} ({reason})" for name, reason in columns.items())


def _remarks(feature: "FeatureSummary") -> Iterator[str]:
    """Yields why a column is of its kind, and what is odd about it."""
    if feature.evidence:
        yield f"{feature.name}: {feature.kind} in a proposed schema; {feature.evidence}"
    elif feature.kind != CATEGORY:
        yield f"{feature.name}: {feature.kind}, as the schema declares"
    if feature.oddity:
        yield f"{feature.name} is of little use: {feature.oddity}"


def _feature(feature: "FeatureSummary", rows: int) -> str:
    facts = [", ".join(feature.example)] if feature.example else []
    if feature.has_several:
        facts = [f"several values: {', '.join(feature.example)}"]
    if feature.missing:
        facts.append(f"missing in {feature.missing / rows:.0%}")
    return f"{feature.name} ({'; '.join(facts)})"

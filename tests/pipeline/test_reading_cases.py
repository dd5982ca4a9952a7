"""Inputs of the kinds that people bring: every command reads them alike, and right.

The right values were taken from the files by hand; times of other zones were converted
with ``date -u -d``.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.ratings_example_gen import BadInputError, input_errors, inspect
from components.ratings_example_gen.component import RatingsExampleGen
from components.ratings_example_gen.driver import RatingsDriver
from components.ratings_example_gen.execution_input import find_input, read_settings
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from pipeline.cli import main
from pipeline.cli.command import read_config
from pipeline.config.data_settings import data_settings
from pipeline.schema_proposal import propose

CASES = Path(__file__).parents[1] / "cases"
GERMAN = {
    "user_id": "Kunde",
    "item_id": "Artikel",
    "rating": "Bewertung",
    "timestamp": "Datum",
}
SHEET_ROW = ("000000", "Größe 6 / rot", 4.5, 1605080700)


@dataclass(frozen=True)
class Case:
    """A file, what a person states about it, and the right result.

    Attributes:
        path: Below ``tests/cases``.
        kept: Number of good rows.
        first: User, item, rating and time of the first one; time 0 for none.
        shown: What ``marquee data`` must show of how it reads the file.
        columns: As ``--column`` takes them.
        settings: As ``--set data.`` takes them.
        bad: Kind -> number of bad rows.
        users: Distinct users, where that is the point.
    """

    path: str
    kept: int
    first: tuple[str, str, float, int] | None
    shown: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    bad: dict[str, int] = field(default_factory=dict)
    users: int | None = None


RIGHT = [
    Case(
        "columns/names_before_ids.csv",
        3,
        ("1", "10", 5, 0),
        ("user_id is 'user_id' (guessed)", "Unused 'user', 'item'"),
        users=3,
    ),
    Case(
        "columns/one_column_renamed.csv",
        2,
        ("1", "10", 5, 1600000000),
        ("user_id is 'member' (given)", "timestamp is 'timestamp' (guessed)"),
        {"user_id": "member"},
    ),
    Case(
        "columns/pandas_index_numeric_header.csv",
        199,
        ("0", "6", 548, 0),
        ("user_id is '0' (given)", "the row numbers that pandas saved"),
        {"user_id": "0", "item_id": "1", "rating": "2"},
        users=12,
    ),
    Case(
        "columns/pandas_index_numeric_header.csv",
        199,
        ("0", "6", 548, 0),
        ("user_id is '0', column 1 (counted from 0) (guessed)",),
        users=12,
    ),
    Case(
        "separators/blanks.txt",
        200,
        ("1", "7", 4, 0),
        ("data.delimiter: whitespace (guessed)",),
    ),
    Case(
        "separators/space_and_tab.txt",
        3,
        ("1", "1", 2, 97),
        ("data.delimiter: whitespace (given)",),
        settings=("delimiter=whitespace",),
    ),
    Case(
        "separators/urn_ids_no_header.csv",
        2,
        ("u1", "urn::t1", 1, 0),
        ("data.delimiter: comma (guessed)",),
        users=2,
    ),
    Case(
        "separators/decimal_comma.csv",
        199,
        SHEET_ROW,
        (
            "data.delimiter: semicolon (guessed)",
            "data.decimal: , (guessed)",
            "data.timestamp_format: %d.%m.%Y %H:%M (given)",
            "data.timezone: UTC (guessed)",
            "'4,5' is read as 4.5",
        ),
        GERMAN,
        ("timestamp_format=%d.%m.%Y %H:%M",),
    ),
    Case(
        "separators/decimal_comma.csv",
        199,
        (*SHEET_ROW[:3], SHEET_ROW[3] - 3600),
        ("data.timezone: Europe/Berlin (given)",),
        GERMAN,
        ("timestamp_format=%d.%m.%Y %H:%M", "timezone=Europe/Berlin"),
    ),
    Case(
        "separators/utf16.csv",
        199,
        SHEET_ROW,
        ("data.encoding: utf-16 (guessed)",),
        GERMAN,
        ("timestamp_format=%d.%m.%Y %H:%M",),
    ),
    Case(
        "separators/latin1/BX-Book-Ratings.csv",
        99,
        ("276700", "000000006X", 0, 0),
        ("data.encoding: iso8859-1 (given)", "data.delimiter: semicolon (guessed)"),
        settings=("encoding=latin-1", "items=none", "users=none"),
    ),
    Case(
        "times/date_only.csv",
        199,
        ("0", "6", 4, 1605052800),
        ("data.timestamp_format: iso8601 (guessed)", "data.timezone: UTC (guessed)"),
    ),
    Case(
        "times/iso_zone.csv",
        199,
        ("0", "6", 4, 1605073506),
        ("'2020-11-11T07:45:06+02:00' is read as 2020-11-11 05:45:06 UTC",),
    ),
    Case("times/dst_hour.parquet", 1, ("1", "1", 5, 1604208600)),
    Case(
        "events/milliseconds_and_types.csv",
        199,
        ("66", "12", 1, 1600285904),
        ("data.timestamp_unit: ms (guessed)", "Unused 'event', 'transactionid'"),
    ),
    Case(
        "ids/nan_ids.parquet",
        5,
        ("100000000000", "0", 5, 0),
        bad={input_errors.EMPTY_ID: 1},
        users=3,
    ),
    Case("ids/null_ids.csv", 0, None, bad={input_errors.EMPTY_ID: 4}),
    Case(
        "ids/null_ids.csv",
        1,
        ("NULL", "lamp", 5, 0),
        settings=("null_values=[nan, None, '\\N']",),
        bad={input_errors.EMPTY_ID: 3},
    ),
    Case(
        "ids/spaces_after_comma.csv",
        2,
        ("ann", "lamp", 4.5, 0),
        ("' lamp' is read as lamp",),
    ),
    Case(
        "ids/spaces_after_comma.csv",
        2,
        ("ann", " lamp", 4.5, 0),
        settings=("keep_blanks=true",),
    ),
    Case("ids/decimal_ids.parquet", 5512, ("0", "6", 4, 1605080706), users=300),
    Case("layouts/hive", 5512, ("66", "12", 4, 1600285904), users=300),
    Case(
        "layouts/spark",
        180,
        ("0", "6", 4, 1605080706),
        ("1 left out:", "part-00002.csv"),
    ),
    Case(
        "layouts/json_lines.jsonl",
        100,
        ("A0", "B00006", 4, 1605080706),
        ("user_id is 'reviewerID' (guessed)", "rating is 'overall' (guessed)"),
    ),
]


def config_of(case):
    return read_config(
        str(CASES / case.path),
        None,
        ("split.kind=random", *(f"data.{setting}" for setting in case.settings)),
        column=tuple(f"{name}={column}" for name, column in case.columns.items()),
    )


def rows_of_a_run(path, settings):
    """The rows that the component's own driver and reader find."""
    folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name)
    component = RatingsExampleGen(str(folder), settings, pattern)
    properties = RatingsDriver(None).resolve_exec_properties(
        dict(component.exec_properties), None, None
    )
    parts = find_input(properties, read_settings(properties)).layout.ratings
    rows, bad = [], 0
    for block in plan_blocks(parts):
        for ratings in RatingsReader().read(parts[block.part], block):
            columns = ratings.table.to_pydict()
            times = columns.get("timestamp", [0] * ratings.table.num_rows)
            rows += zip(
                columns["user_id"],
                columns["item_id"],
                columns["rating"],
                times,
                strict=True,
            )
            bad += len(ratings.bad)
    return rows, bad


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.path)
def test_every_command_reads_it_right(case):
    path = CASES / case.path
    settings = data_settings(config_of(case))

    rows, bad = rows_of_a_run(path, settings)
    assert (len(rows), bad) == (case.kept, sum(case.bad.values()))
    assert rows[:1] == ([case.first] if case.first else [])
    if case.users:
        assert len({user for user, *_ in rows}) == case.users

    found = inspect(path, settings)
    assert (found.kept, found.bad_by_kind) == (case.kept, case.bad)
    assert found.users == len({user for user, *_ in rows})
    assert found.items == len({item for _, item, *_ in rows})

    if case.kept:
        schema = propose(path, settings).text
        ratings = [rating for _, _, rating, _ in rows]
        assert re.search(rf"of {found.users:,} users? in", schema)
        assert f"range from {min(ratings):g} to {max(ratings):g}" in schema


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.path)
def test_marquee_data_shows_how_it_reads(case):
    arguments = ["data", str(CASES / case.path)]
    for name, column in case.columns.items():
        arguments += ["--column", f"{name}={column}"]
    for setting in case.settings:
        arguments += ["--set", f"data.{setting}"]
    result = CliRunner(env={"COLUMNS": "300"}).invoke(main, arguments)
    assert result.exit_code == (3 if case.bad else 0), result.output
    output = re.sub(r"\s+", " ", result.output)
    for shown in case.shown:
        assert shown in output


@pytest.mark.parametrize(
    ("path", "columns", "settings", "message"),
    [
        (
            "separators/space_and_tab.txt",
            {},
            (),
            r"split at tab into '1 1 2 / 97' or at whitespace.*\n.*Set data.delimiter",
        ),
        ("separators/decimal_comma.csv", {}, (), r"--column user_id=NAME"),
        (
            "separators/decimal_comma.csv",
            GERMAN,
            (),
            r"'11.11.2020 07:45'.*\n.*data.timestamp_format, such as '%d.%m.%Y %H:%M'",
        ),
        (
            "columns/names_before_ids.csv",
            {"user_id": "member"},
            (),
            "has no column 'member' for user_id",
        ),
    ],
)
def test_what_cannot_be_read_names_the_setting(path, columns, settings, message):
    case = Case(path, 0, None, columns=columns, settings=settings)
    with pytest.raises(BadInputError, match=message) as of_data:
        inspect(CASES / path, data_settings(config_of(case)))
    with pytest.raises(BadInputError) as of_run:
        rows_of_a_run(CASES / path, data_settings(config_of(case)))
    assert str(of_run.value) == str(of_data.value)

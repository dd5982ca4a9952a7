"""Records that span lines, wherever a file is cut into blocks."""

import csv
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read import text_pieces as text
from components.ratings_example_gen.read.blocks import plan_blocks, read_rows

# Mostly what matters to a parser; a carriage return alone is refused elsewhere.
VALUES = st.text(st.sampled_from("ab,;\"\n\té'1"), max_size=6)
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=12)


def part_of(path, dialect):
    columns = (("a", 0), ("b", 1), ("c", 2))
    size = path.stat().st_size
    return Part(str(path), dialect=dialect, num_fields=3, columns=columns, size=size)


def read(part, block_bytes):
    rows, bad = [], []
    for block in plan_blocks([part], block_bytes):
        for piece in read_rows(part, block):
            values = (piece.columns[name].to_pylist() for name in "abc")
            rows += [
                tuple(v.decode() for v in row) for row in zip(*values, strict=True)
            ]
            bad += piece.bad
    return rows, bad


@settings(max_examples=60, deadline=None)
@given(
    rows=ROWS,
    block_bytes=st.integers(1, 60),
    line_end=st.sampled_from(["\n", "\r\n"]),
    header=st.booleans(),
    escape=st.sampled_from(["", "\\"]),
)
def test_records_span_lines_at_every_block_boundary(
    tmp_path_factory, rows, block_bytes, line_end, header, escape
):
    """The oracle is what was written, by Python's csv."""
    path = tmp_path_factory.getbasetemp() / "records.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(
            file,
            lineterminator=line_end,
            quoting=csv.QUOTE_ALL,
            doublequote=not escape,
            escapechar=escape or None,
        )
        writer.writerows([*([("x", "y\nz", "w")] if header else []), *rows])
    dialect = Dialect(",", quote='"', escape=escape, header=header)
    assert read(part_of(path, dialect), block_bytes) == (rows, [])


@pytest.mark.parametrize("block_bytes", range(1, 40))
def test_a_stray_quote_costs_one_line(tmp_path, block_bytes):
    path = tmp_path / "stray.csv"
    path.write_text('a,"b,c\nd,"e\nf",g\nh,i,j\nk,"l,m\nn,o,p\n')
    rows, bad = read(part_of(path, Dialect(",", quote='"')), block_bytes)
    assert rows == [("d", "e\nf", "g"), ("h", "i", "j"), ("n", "o", "p")]
    assert [kind for _, kind, *_ in bad] == [input_errors.UNCLOSED_QUOTE] * 2


def test_a_bad_record_is_named_by_its_first_line(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text('a,"b\nb",c\na,b\n')
    _, bad = read(part_of(path, Dialect(",", quote='"')), 1 << 20)
    assert [(line, kind) for line, kind, *_ in bad] == [
        (3, input_errors.WRONG_NUMBER_OF_FIELDS)
    ]


def test_a_file_without_quotes_is_not_read_to_cut_it(tmp_path, monkeypatch):
    path = tmp_path / "own.csv"
    path.write_text("a,b,c\n" * 100)
    monkeypatch.setattr(text, "open_part", None)
    part = part_of(path, Dialect(",", quote=""))
    assert len(plan_blocks([part], 100)) == 6


@pytest.mark.parametrize(
    ("dialect", "written"),
    [
        (Dialect("whitespace", quote=""), "a b\tc\n  d \t e   f  \n"),
        (Dialect("::", quote=""), "a::b::c\nd::e::f\n"),
        (Dialect("§", quote=""), "a§b§c\nd§e§f\n"),
        (Dialect(";", quote="'"), "a;'b';c\nd;'e';f\n"),
    ],
    ids=["blanks and tabs", "two characters", "not ASCII", "single quotes"],
)
@pytest.mark.parametrize("block_bytes", [3, 1 << 20])
def test_separators_and_quotes(tmp_path, dialect, written, block_bytes):
    path = tmp_path / "own.txt"
    path.write_text(written, encoding="utf-8")
    expected = [("a", "b", "c"), ("d", "e", "f")]
    assert read(part_of(path, dialect), block_bytes) == (expected, [])


def test_an_escaped_null_stays_nothing(tmp_path):
    r"""``\N`` is MySQL's null; with ``\`` as escape it would be read as an N."""
    path = tmp_path / "own.csv"
    path.write_text('\\N,"\\N","say \\"x\\""\n')
    part = part_of(path, Dialect(",", quote='"', escape="\\"))
    assert read(part, 1 << 20) == ([("", "", 'say "x"')], [])


@pytest.mark.parametrize("quote", ["", '"'])
def test_no_thread_outlives_the_reading_of_text(tmp_path, quote):
    # A thread of Arrow's that is still running ends the process with SIGABRT at times.
    path = tmp_path / "ratings.csv"
    path.write_text(f"user_id,item_id,rating\n{quote}u{quote},i,4\n")
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from components.ratings_example_gen.inspection import inspect_path\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "assert inspect_path(Path(sys.argv[1])).kept == 1\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert output == "0\n"


INSIDE = "1,2,3\n" * 300_000  # 1.7 MiB


@pytest.mark.parametrize("before", [0, 100_000])
@pytest.mark.parametrize("inside", [INSIDE, INSIDE[:1_200_000]])
def test_a_record_that_is_too_long_is_refused(tmp_path, before, inside):
    path = tmp_path / "long.csv"
    path.write_text("4,5,6\n" * before + f'a,b,"{inside}"\n' + "7,8,9\n")
    part = part_of(path, Dialect(",", quote='"'))
    with pytest.raises(input_errors.BadInputError, match="record in quotes is longer"):
        read(part, 1 << 30)
    with pytest.raises(input_errors.BadInputError, match="record in quotes is longer"):
        read(part, 1 << 20)


@pytest.mark.parametrize("end", ["", 'a,"b",c\n', 'a,b",c\n', 'a,"""b""",c\n'])
def test_a_stray_quote_costs_one_line_of_a_long_file(tmp_path, end):
    path = tmp_path / "stray.csv"
    path.write_text('a,b,"c\n' + INSIDE + end + INSIDE)
    rows, bad = read(part_of(path, Dialect(",", quote='"')), 1 << 30)
    assert len(rows) >= 600_000
    assert 1 <= len(bad) <= 2


@pytest.mark.parametrize("quoted", ["", 'x,"y",2\n'])
def test_a_number_that_holds_the_separator_is_a_bad_row(tmp_path, quoted):
    path = tmp_path / "thousands.csv"
    path.write_text(f"u,i,4\n{quoted}u,i,4,125\nv,i,5\n")
    rows, bad = read(part_of(path, Dialect(",", quote='"')), 1 << 20)
    assert len(rows) == 2 + bool(quoted)
    [(line, kind, reason, text)] = bad
    assert (line, kind) == (2 + bool(quoted), input_errors.WRONG_NUMBER_OF_FIELDS)
    assert reason == (
        "4 fields where 3 are expected (a value that contains a comma needs quotes)"
    )
    assert text == "u,i,4,125"


def test_a_row_that_lacks_a_field_says_no_more(tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("u,i,4\nu\n")
    _, [(*_, reason, _)] = read(part_of(path, Dialect(",", quote='"')), 1 << 20)
    assert reason == "1 field where 3 are expected"

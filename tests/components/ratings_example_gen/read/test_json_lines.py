"""Rows of JSON lines against objects that Python's json reads."""

import json
from collections import Counter

import pytest

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.parts import JSON_LINES, Part
from components.ratings_example_gen.read.blocks import plan_blocks, read_rows

LINES = [
    '{"user": "a", "item": 7}',
    '{"item": 12345678901234567890, "user": "é"}',
    '{"user": null, "item": 7.0, "more": {"deep": [1, 2]}}',
    "",
    '{"user": "b"}',
    '{"user": "c", "item": ["x", 1]}',
]


def pieces_of(tmp_path, lines, block_bytes=1 << 20, keys=("user", "item")):
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part = Part(
        str(path),
        format=JSON_LINES,
        dialect=Dialect(quote=""),
        columns=(("user", 0), ("item", 1)),
        keys=keys,
        size=path.stat().st_size,
    )
    return [
        piece
        for block in plan_blocks([part], block_bytes)
        for piece in read_rows(part, block)
    ]


def read(tmp_path, lines, block_bytes):
    rows, bad = [], []
    for piece in pieces_of(tmp_path, lines, block_bytes, ("user", "item", "more")):
        columns = [piece.columns[name].to_pylist() for name in ("user", "item")]
        rows += zip(*columns, strict=True)
        bad += piece.bad
    return rows, bad


@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 20])
def test_values_are_texts_as_they_are_written(tmp_path, block_bytes):
    rows, bad = read(tmp_path, LINES, block_bytes)
    assert rows == [
        (b"a", b"7"),
        ("é".encode(), b"12345678901234567890"),
        (None, b"7"),
        (b"b", None),
        (b"c", b'["x", "1"]'),
    ]
    assert bad == []


@pytest.mark.parametrize("line", ["{", "[1]", "7", "nan", "[" * 3000, '{"user": }'])
def test_what_is_not_an_object_is_a_bad_row(tmp_path, line):
    rows, bad = read(tmp_path, [LINES[0], line, LINES[0]], 1 << 20)
    assert len(rows) == 2
    assert [(number, kind) for number, kind, *_ in bad] == [(2, input_errors.NOT_JSON)]
    assert json.loads(LINES[0])["user"] == "a"


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_keys_that_recognition_did_not_see_are_counted(tmp_path, block_bytes):
    lines = [
        '{"user": "a", "item": 1}',
        '{"user": "a", "item": 2, "mood": 1, "\\ud800": 2}',
        '{"user": "a", "item": 3, "mood": null}',
        '{"user": "a", "item": [], "mood": "a bad row has it too"}',
    ]
    pieces = pieces_of(tmp_path, lines, block_bytes)
    found = sum((Counter(piece.late_keys) for piece in pieces), Counter())
    assert found == {"mood": 3, "\\ud800": 1}


def test_keys_that_are_values_are_bounded(tmp_path):
    lines = [f'{{"user": "a", "item": 1, "k{n}": 1}}' for n in range(1000)]
    [piece] = pieces_of(tmp_path, [*lines, lines[0]])
    assert len(piece.late_keys) == 100
    assert piece.late_keys["k0"] == 2

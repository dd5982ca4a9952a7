"""Ids, numbers and times of every type, against plain Python."""

import decimal
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.bad_rows import Faults
from components.ratings_example_gen.read.ids import to_ids
from components.ratings_example_gen.read.numbers import to_numbers
from components.ratings_example_gen.read.times import to_times


def convert(function, values, dialect, *names):
    faults = Faults(len(values))
    found = function(values, *names, Part("f", dialect=dialect), faults)
    return found, faults


@pytest.mark.parametrize(
    "values",
    [
        pa.array([12, None, 7]),
        pa.array([12.0, None, 7.0]),
        pa.array([12.0, float("nan"), 7.0], pa.float32()),
        pa.array([decimal.Decimal("12.00"), None, 7], pa.decimal128(20, 2)),
        pa.array(["12", None, "7"]).dictionary_encode(),
        pa.array([12, None, 7]).dictionary_encode(),
        pa.array([b"12", b"NULL", b" 7 "]),
        pa.array([b"12", None, b"7"], pa.large_binary()).cast(pa.binary()),
        pa.array([12, None, 7], pa.uint8()),
    ],
    ids=lambda values: str(values.type),
)
def test_an_id_has_one_form_whatever_its_type(values):
    values = values.dictionary_decode() if hasattr(values, "indices") else values
    if pa.types.is_string(values.type):
        values = values.cast(pa.binary())
    ids, faults = convert(to_ids, values, Dialect(), "user_id")
    assert [ids[0].as_py(), ids[2].as_py()] == ["12", "7"]
    assert faults.rows.tolist() == [1]
    assert faults.kinds_and_reasons()[0][0] == input_errors.EMPTY_ID


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([-(2**63)]), "-9223372036854775808"),
        (
            pa.array([decimal.Decimal("12345678901234567890")], pa.decimal128(20, 0)),
            "12345678901234567890",
        ),
        (pa.array([2.0**70]), "1180591620717411303424"),
        (pa.array([0.5]), "0.5"),
        (pa.array([-0.0]), "0"),
    ],
)
def test_large_ids_are_exact(values, expected):
    ids, _ = convert(to_ids, values, Dialect(), "user_id")
    assert ids.to_pylist() == [expected]


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        (Dialect(decimal=","), "4,5", 4.5),
        (Dialect(decimal=","), "4.5", None),
        (Dialect(decimal=",", thousands="."), "1.234,5", 1234.5),
        (Dialect(decimal=",", thousands="."), "1.23,5", None),
        (Dialect(decimal=",", thousands="."), "4.5", None),
        (Dialect(thousands=","), "1,234,567.5", 1234567.5),
        (Dialect(thousands=","), "12,34", None),
        (Dialect(thousands=","), "1234", 1234.0),
        (Dialect(), "4,5", None),
    ],
)
def test_numbers_with_other_marks(dialect, text, expected):
    numbers, faults = convert(
        to_numbers, pa.array([text.encode()]), dialect, "rating", "kind"
    )
    assert faults.any == (expected is None)
    if expected is not None:
        assert numbers.tolist() == [expected]


def seconds(*date, zone="UTC", fold=0):
    return int(datetime(*date, tzinfo=ZoneInfo(zone), fold=fold).timestamp())


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        (Dialect(timestamp_unit="ms"), "1600285904999", 1600285904),
        (Dialect(timestamp_unit="us"), "1600285904999999", 1600285904),
        (Dialect(timestamp_unit="ns"), "1600285904999999999", 1600285904),
        (Dialect(timestamp_unit="ms"), "-1", -1),
        (Dialect(), "1600285904.9", 1600285904),
        (Dialect(timestamp_format="iso8601"), "2020-02-29", seconds(2020, 2, 29)),
        (Dialect(timestamp_format="iso8601"), "2021-02-29", None),
        (
            Dialect(timestamp_format="iso8601"),
            "2020-11-11T07:45:06.999Z",
            seconds(2020, 11, 11, 7, 45, 6),
        ),
        (
            Dialect(timestamp_format="iso8601"),
            "2020-11-11 07:45:06-0530",
            seconds(2020, 11, 11, 13, 15, 6),
        ),
        (
            Dialect(timestamp_format="iso8601", timezone="Europe/Berlin"),
            "2020-07-01 12:00",
            seconds(2020, 7, 1, 10),
        ),
        (  # occurs twice
            Dialect(timestamp_format="iso8601", timezone="Europe/Berlin"),
            "2020-10-25 02:30",
            seconds(2020, 10, 25, 2, 30, zone="Europe/Berlin"),
        ),
        (  # is skipped
            Dialect(timestamp_format="iso8601", timezone="Europe/Berlin"),
            "2020-03-29 02:30",
            None,
        ),
        (Dialect(timestamp_format="%d.%m.%Y"), "31.12.2020", seconds(2020, 12, 31)),
        (Dialect(timestamp_format="%d.%m.%Y"), "31.02.2020", None),
        (Dialect(timestamp_format="%d.%m.%Y"), "1.2.2020", seconds(2020, 2, 1)),
        (Dialect(timestamp_format="%d.%m.%Y"), "31.12.2020 07:00", None),
        (
            Dialect(timestamp_format="%d/%b/%Y:%H:%M:%S %z"),
            "10/Oct/2020:13:55:36 -0700",
            seconds(2020, 10, 10, 20, 55, 36),
        ),
    ],
)
def test_times_as_text(dialect, text, expected):
    found, faults = convert(to_times, pa.array([text.encode()]), dialect)
    assert faults.any == (expected is None)
    if expected is not None:
        assert found.tolist() == [expected]


def test_one_bad_date_among_good_ones():
    texts = [b"2020-01-01", b"2020-02-30", b"2020-01-03T00:00:00+00:00", b"soon"]
    texts += [
        b"2020-01-03 02:30Z",
        b"2020-01-03 00:00-0230",
        b"2020-01-03 03:30:00.9+01",
    ]
    found, faults = convert(
        to_times, pa.array(texts), Dialect(timestamp_format="iso8601")
    )
    assert faults.rows.tolist() == [1, 3]
    assert found[[0, 2]].tolist() == [seconds(2020, 1, 1), seconds(2020, 1, 3)]
    assert found[4:].tolist() == [seconds(2020, 1, 3, 2, 30)] * 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_zoned_parquet_times_are_utc_in_the_hour_that_occurs_twice(unit):
    times = [
        seconds(2020, 11, 1, 1, 30, zone="America/New_York", fold=fold)
        for fold in (0, 1)
    ]
    assert np.diff(times).tolist() == [3600]
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    values = pa.array([time * per_second for time in times], pa.int64()).cast(
        pa.timestamp(unit, "America/New_York")
    )
    found, faults = convert(to_times, values, Dialect())
    assert not faults.any
    assert found.tolist() == times


def test_naive_parquet_times_are_of_the_declared_zone():
    noon = pa.array([datetime(2020, 7, 1, 12)])
    found, _ = convert(to_times, noon, Dialect(timezone="America/New_York"))
    assert found.tolist() == [seconds(2020, 7, 1, 16)]


@pytest.mark.parametrize(("is_guessed", "bad"), [(True, [1]), (False, [])])
def test_seconds_among_guessed_milliseconds_are_bad_rows(is_guessed, bad):
    values = pa.array([b"1600285904000", b"1600285904", b"0"])
    dialect = Dialect(timestamp_unit="ms")
    faults = Faults(3)
    to_times(values, Part("f", dialect=dialect, unit_is_guessed=is_guessed), faults)
    assert faults.rows.tolist() == bad


def test_whole_numbers_have_the_format_that_was_declared():
    dialect = Dialect(timestamp_format="%Y%m%d")
    found, faults = convert(to_times, pa.array([20201101, 7, None]), dialect)
    assert found[0] == datetime(2020, 11, 1, tzinfo=ZoneInfo("UTC")).timestamp()
    assert faults.rows.tolist() == [1, 2]


def test_fractions_have_no_format():
    with pytest.raises(pa.ArrowInvalid, match="whole numbers"):
        convert(to_times, pa.array([20201101.0]), Dialect(timestamp_format="%Y%m%d"))


def test_an_id_with_nul_is_bad():
    values = pa.array([b"a", b"a\0b", b"c"])
    _, faults = convert(to_ids, values, Dialect(), "user_id")
    assert faults.rows.tolist() == [1]
    assert faults.kinds_and_reasons()[0][0] == input_errors.CONTROL_CHARACTER

"""Hours and weekdays against Python's own, in zones with all kinds of changes."""

import datetime
import zoneinfo

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.time_context import TimeContext

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",  # half an hour beside the others
    "Australia/Lord_Howe",  # summer time is half an hour
    "Pacific/Apia",  # there was no 30th of December 2011
    "Africa/Casablanca",  # changes with Ramadan
]


def seconds(*date):
    return int(datetime.datetime(*date, tzinfo=datetime.UTC).timestamp())


# Before and after summer time begins and ends in Berlin, and the day that Apia skipped.
CHANGES = [
    seconds(2020, 3, 29, 1),
    seconds(2020, 10, 25, 1),
    seconds(2011, 12, 30, 10),
    seconds(1999, 12, 31, 23),
    seconds(2095, 3, 27, 1),
]
TIMES = np.concatenate(
    [
        np.random.default_rng(1).integers(1, seconds(2100, 1, 1) - 1, 500),
        *[[change - 1, change, change + 1] for change in CHANGES],
    ]
)


@pytest.mark.parametrize("zone", ZONES)
def test_hours_and_weekdays_are_those_of_python(zone):
    found = TimeContext(["hour", "weekday"], zone)(tf.constant(TIMES)).numpy()
    local = [
        datetime.datetime.fromtimestamp(int(time), zoneinfo.ZoneInfo(zone))
        for time in TIMES
    ]
    hours = [moment.hour for moment in local]
    weekdays = [moment.weekday() for moment in local]
    assert (found[:, 0] - f.NUM_RESERVED).tolist() == hours
    assert (found[:, 1] - f.NUM_RESERVED - 24).tolist() == weekdays


@pytest.mark.parametrize(
    ("fields", "rows", "saturday_at_nine"),
    [
        (["hour"], 26, [11]),
        (["weekday"], 9, [7]),
        (["weekday", "hour"], 33, [7, 18]),
    ],
)
def test_each_field_has_rows_of_its_own_in_the_given_order(
    fields, rows, saturday_at_nine
):
    context = TimeContext(fields, "Europe/Berlin")
    saturday = seconds(2020, 7, 4, 7, 59)  # 9:59 in Berlin
    times = tf.constant([[saturday, 0], [0, saturday]], tf.int64)
    found = tf.function(context)(times)
    unknown = [0] * len(fields)
    assert context.num_values == rows
    assert found.numpy().tolist() == [
        [saturday_at_nine, unknown],
        [unknown, saturday_at_nine],
    ]


def test_times_beyond_the_years_of_the_zone_have_the_offsets_of_its_first_and_last():
    zone = zoneinfo.ZoneInfo("Asia/Kolkata")
    for time in (seconds(1950, 5, 6, 7), seconds(2150, 5, 6, 7)):
        local = datetime.datetime.fromtimestamp(time, zone)
        [hour] = TimeContext(["hour"], "Asia/Kolkata")(tf.constant(time, tf.int64))
        assert hour - f.NUM_RESERVED == local.hour

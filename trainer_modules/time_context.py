"""The hour and the weekday of an interaction, as fields of models (``context``)."""

import bisect
import datetime
import functools
import zoneinfo
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer_modules import features as f

_HOUR, _DAY = 3600, 86_400  # seconds
_NUM_VALUES = {f.HOUR: 24, f.WEEKDAY: 7}
_LAST_DAY = 47_482  # since 1970: the beginning of 2100


class TimeContext:
    """Turns times into the values of fields, in the local time of a zone.

    The local times are exact from 1970 to 2100. Earlier and later ones have the offset
    from UTC of these years. The graph has the offsets as constants, so that an exported
    model needs no database of time zones.
    """

    def __init__(self, fields: Sequence[str], timezone: str):
        """Prepares the fields.

        Args:
            fields: ``hour``, ``weekday`` or both; K fields.
            timezone: IANA name of the time zone.
        """
        self.fields = tuple(fields)
        self.starts, self.offsets = np.array(_offsets(timezone), np.int64)

    @property
    def num_values(self) -> int:
        """Number of rows of the table with the values of all fields."""
        return f.NUM_RESERVED + sum(_NUM_VALUES[name] for name in self.fields)

    def __call__(self, times: tf.Tensor) -> tf.Tensor:
        """Returns the indices of the values at some times.

        Args:
            times: Seconds UTC, [...] int64; 0 if unknown.

        Returns:
            Indices, [..., K] int32, of the hour from 0 to 23 and of the weekday from
            Monday to Sunday; 0 for an unknown time.
        """
        period = tf.searchsorted(self.starts, tf.reshape(times, [-1]), side="right") - 1
        offset = tf.gather(self.offsets, tf.maximum(period, 0))
        local = times + tf.reshape(offset, tf.shape(times))
        values = {
            f.HOUR: tf.math.floormod(local // _HOUR, 24),
            f.WEEKDAY: tf.math.floormod(local // _DAY + 3, 7),  # 1970 began on Thursday
        }
        indices, first = [], f.NUM_RESERVED
        for name in self.fields:
            index = tf.cast(first + values[name], tf.int32)
            indices.append(tf.where(times == 0, f.PADDING_INDEX, index))
            first += _NUM_VALUES[name]
        return tf.stack(indices, -1)


@functools.cache
def _offsets(timezone: str) -> tuple[list[int], list[int]]:
    """Returns when the offset of local time from UTC changes, and to what, in seconds.

    Both lists begin with 1970. A change that lasts for less than a day is not found;
    there is none in these years.
    """
    zone = zoneinfo.ZoneInfo(timezone)

    def offset(seconds: int) -> int:
        moment = datetime.datetime.fromtimestamp(seconds, zone)
        found = moment.utcoffset() or datetime.timedelta()
        return int(found.total_seconds())

    starts, offsets = [0], [offset(0)]
    for end in range(_DAY, _LAST_DAY * _DAY, _DAY):
        new = offset(end)
        if new != offsets[-1]:
            day = range(end - _DAY, end + 1)
            starts.append(
                day[bisect.bisect_left(day, True, key=lambda s: offset(s) == new)]
            )
            offsets.append(new)
    return starts, offsets

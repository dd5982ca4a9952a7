"""Cron expressions of five fields in a time zone, and the times at which they fire."""

import datetime
import difflib
import re
import zoneinfo
from typing import Any

from apscheduler.triggers.cron import CronTrigger

from components.wording import counted
from pipeline.config.errors import ConfigError

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # in cron's order
_EXPECTED = (
    "expected minute, hour, day of the month, month and weekday, e.g. '0 3 * * *' for "
    "daily at 03:00"
)


class Schedule:
    """The times of retraining.

    Args:
        cron: Minute, hour, day of the month, month and weekday, as in crontab. A day of
            the month together with a weekday is refused, because cron combines them
            with "or" and APScheduler with "and".
        timezone: Name in the tz database.

    Raises:
        ConfigError: If either is invalid.
    """

    def __init__(self, cron: str, timezone: str):
        self.cron, self.timezone = cron, timezone
        try:
            self._zone = zoneinfo.ZoneInfo(timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            near = difflib.get_close_matches(
                timezone, zoneinfo.available_timezones(), 1
            )
            message = f"unknown time zone {timezone!r}; expected one like Europe/Berlin"
            message += f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(None, None, "--timezone", message) from error
        try:
            self._trigger = _trigger(cron, self._zone)
        except (ValueError, KeyError) as error:
            message = f"{cron!r}: {error}; {_EXPECTED}"
            raise ConfigError(None, None, "--cron", message) from error
        if not self.next(datetime.datetime.now(datetime.UTC), 1):
            raise ConfigError(
                None, None, "--cron", f"{cron!r} never fires; {_EXPECTED}"
            )

    def next(self, after: datetime.datetime, count: int) -> list[datetime.datetime]:
        """Returns the firings that follow a moment, in UTC; fewer if no more exist."""
        found: list[datetime.datetime] = []
        while len(found) < count and (after := self._following(after)):
            found.append(after)
        return found

    def due(
        self, after: datetime.datetime, until: datetime.datetime
    ) -> tuple[datetime.datetime | None, int]:
        """Returns the last firing after a moment and until another, and their number.

        Returns:
            The firing in UTC and the number of firings; None and 0 if there are none.
        """
        last, count = None, 0
        while (after := self._following(after)) and after <= until:
            last, count = after, count + 1
        return last, count

    def local(self, moment: datetime.datetime) -> str:
        """Formats a moment in the schedule's time zone, to the minute."""
        return local_time(moment, self._zone)

    def _following(self, moment: datetime.datetime) -> Any:
        """Returns the next firing in UTC, where clock changes repeat no moment."""
        soon = moment.astimezone(datetime.UTC) + datetime.timedelta(seconds=1)
        following = self._trigger.get_next_fire_time(None, soon)
        return following and following.astimezone(datetime.UTC)


def local_time(moment: datetime.datetime, zone: zoneinfo.ZoneInfo) -> str:
    """Formats a moment in a time zone, with the zone's abbreviation."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _trigger(cron: str, zone: zoneinfo.ZoneInfo) -> CronTrigger:
    fields = cron.lower().split()
    if len(fields) != 5:
        raise ValueError(f"it has {counted(len(fields), 'field')}")
    if "*" not in (fields[2], fields[4]):
        raise ValueError("either the day of the month or the weekday has to be *")
    fields[4] = _weekdays(fields[4])
    return CronTrigger.from_crontab(" ".join(fields), zone)


def _weekdays(field: str) -> str:
    """Replaces weekday numbers by names: 0 is Sunday in cron, Monday in APScheduler."""
    chosen: set[int] = set()
    for part in field.split(","):
        digits = re.sub(
            "|".join(WEEKDAYS), lambda name: str(WEEKDAYS.index(name[0])), part
        )
        found = re.fullmatch(r"(?:\*|([0-7])(?:-([0-7]))?)(?:/([1-7]))?", digits)
        if found is None or found[3] and found[1] and not found[2]:
            raise ValueError(f"invalid weekday {part!r}")
        first = int(found[1] or 0)
        last = int(found[2] or found[1] or 6)
        last += 7 if last < first else 0  # fri-mon
        chosen |= {day % 7 for day in range(first, last + 1, int(found[3] or 1))}
    return ",".join(WEEKDAYS[day] for day in sorted(chosen))

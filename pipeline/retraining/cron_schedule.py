"""Cron expressions: the schedule's firings, as five fields in a time zone."""

import datetime
import difflib
import re
import zoneinfo
from typing import Any

from apscheduler.triggers.cron import CronTrigger

from pipeline.config.errors import ConfigError

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # in cron's order
_EXPECTED = (
    "expected minute, hour, day of the month, month and weekday, as in '0 3 * * *' for "
    "each day at 3:00"
)


class Schedule:
    """When to retrain.

    Args:
        cron: Minute, hour, day of the month, month, weekday, as crontab has them; a day
            of the month and a weekday together are refused, for cron takes either of
            them and APScheduler both.
        timezone: A name of the tz database.

    Raises:
        ConfigError: One of them is no such thing.
    """

    def __init__(self, cron: str, timezone: str):
        self.cron, self.timezone = cron, timezone
        try:
            self._zone = zoneinfo.ZoneInfo(timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            near = difflib.get_close_matches(
                timezone, zoneinfo.available_timezones(), 1
            )
            message = f"no timezone {timezone!r}; expected one as in Europe/Berlin"
            message += f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(None, None, "--timezone", message) from error
        try:
            self._trigger = _trigger(cron, self._zone)
        except (ValueError, KeyError) as error:
            message = f"{cron!r}: {error}; {_EXPECTED}"
            raise ConfigError(None, None, "--cron", message) from error
        if not self.next(datetime.datetime.now(datetime.UTC), 1):
            raise ConfigError(
                None, None, "--cron", f"{cron!r} never comes; {_EXPECTED}"
            )

    def next(self, after: datetime.datetime, count: int) -> list[datetime.datetime]:
        """The firings that follow a moment, in UTC; fewer if no more ever come."""
        found: list[datetime.datetime] = []
        while len(found) < count and (after := self._following(after)):
            found.append(after)
        return found

    def due(
        self, after: datetime.datetime, until: datetime.datetime
    ) -> tuple[datetime.datetime | None, int]:
        """The last firing after a moment and not after another, and how many there are.

        Returns:
            In UTC; None and 0 where there is none.
        """
        last, count = None, 0
        while (after := self._following(after)) and after <= until:
            last, count = after, count + 1
        return last, count

    def local(self, moment: datetime.datetime) -> str:
        """A moment as a clock of the timezone shows it, to the minute."""
        return local_time(moment, self._zone)

    def _following(self, moment: datetime.datetime) -> Any:
        """In UTC: there each moment is there once, also when the clocks are changed."""
        soon = moment.astimezone(datetime.UTC) + datetime.timedelta(seconds=1)
        following = self._trigger.get_next_fire_time(None, soon)
        return following and following.astimezone(datetime.UTC)


def local_time(moment: datetime.datetime, zone: zoneinfo.ZoneInfo) -> str:
    """Formats a moment in a time zone, with the zone's abbreviation."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _trigger(cron: str, zone: zoneinfo.ZoneInfo) -> CronTrigger:
    fields = cron.lower().split()
    if len(fields) != 5:
        raise ValueError(f"it has {len(fields)} fields")
    if "*" not in (fields[2], fields[4]):
        raise ValueError("a day of the month and a weekday; one of them has to be *")
    fields[4] = _weekdays(fields[4])
    return CronTrigger.from_crontab(" ".join(fields), zone)


def _weekdays(field: str) -> str:
    """Weekdays by name: 0 is Sunday to cron, and Monday to APScheduler."""
    chosen: set[int] = set()
    for part in field.split(","):
        digits = re.sub(
            "|".join(WEEKDAYS), lambda name: str(WEEKDAYS.index(name[0])), part
        )
        found = re.fullmatch(r"(?:\*|([0-7])(?:-([0-7]))?)(?:/([1-7]))?", digits)
        if found is None or found[3] and found[1] and not found[2]:
            raise ValueError(f"no weekday {part!r}")
        first = int(found[1] or 0)
        last = int(found[2] or found[1] or 6)
        last += 7 if last < first else 0  # fri-mon
        chosen |= {day % 7 for day in range(first, last + 1, int(found[3] or 1))}
    return ",".join(WEEKDAYS[day] for day in sorted(chosen))

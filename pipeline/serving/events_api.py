"""``/v1/events``: what users do, on disk before it is acknowledged."""

import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.event_log.expected import Event, EventError, Row
from pipeline.serving.accepted_ratings import AcceptedRatings, ServedData
from pipeline.serving.errors import RequestError
from pipeline.serving.event_writer import EventWriter
from pipeline.serving.middleware import JSON, BodyMemory, body_of
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings
from pipeline.serving.version_watcher import LiveModel

MAX_EVENTS = 1000  # in a request
MAX_PROBLEMS = 10  # in an answer


class Events(msgspec.Struct, forbid_unknown_fields=True):
    """Several events.

    Attributes:
        events: The events, in any order.
    """

    events: list[Event]


class Received(msgspec.Struct):
    """Answer to events, all of which are on disk.

    Attributes:
        accepted: Number of new events.
        duplicates: Number of events whose ID was known.
        unknown_users: Number of events of users whom the data does not have.
        unknown_items: Number of events of items that the catalogue does not have.
    """

    accepted: int
    duplicates: int
    unknown_users: int
    unknown_items: int


class EventsApi:
    """Handler of the events."""

    def __init__(
        self,
        live: LiveModel,
        ratings: AcceptedRatings,
        writer: EventWriter | None,
        settings: ServingSettings,
        metrics: Metrics,
    ):
        self._live, self._ratings, self._writer = live, ratings, writer
        self._settings, self._metrics = settings, metrics
        self._memory = BodyMemory(settings.max_bodies)

    async def events(self, request: Request) -> Response:
        """Takes an event, or several as ``{"events": [...]}``: all of them, or none.

        The answer comes when they are on disk. An event with a known ID is taken once,
        so that a request without an answer can be sent again.
        """
        if self._writer is None:
            raise RequestError(
                404, "this server takes no events: start it with --events"
            )
        with self._memory.taken() as take:
            events = _read(await body_of(request, self._settings, take))
            with self._live.held() as model:
                data = self._ratings.of(model)
            try:
                rows = _checked(events, data, int(time.time()))
            except RequestError:
                self._metrics.events.labels("refused").inc(len(events))
                raise
            new = await self._writer.add(rows)
        received = Received(
            accepted=new,
            duplicates=len(rows) - new,
            unknown_users=sum(row.user_id not in data.histories for row in rows),
            unknown_items=sum(row.item_id not in data.titles for row in rows),
        )
        for name, number in msgspec.structs.asdict(received).items():
            self._metrics.events.labels(name).inc(number)
        return Response(msgspec.json.encode(received), media_type=JSON)


def _read(body: bytes) -> list[Event]:
    """Returns the events of a body.

    Raises:
        RequestError: If it has another form (400), or too many events (413).
    """
    try:
        content = msgspec.json.decode(body)
        if isinstance(content, dict) and "events" in content:
            events = msgspec.convert(content, Events).events
        else:
            events = [msgspec.convert(content, Event)]
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise RequestError(400, f"Malformed request: {error}") from error
    if len(events) > MAX_EVENTS:
        raise RequestError(
            413, f"{len(events)} events: expected at most {MAX_EVENTS} in a request"
        )
    return events


def _checked(events: list[Event], data: ServedData, now: int) -> list[Row]:
    """Returns the events as they are stored.

    Raises:
        RequestError: If the data cannot have some of them (400).
    """
    rows, problems = [], []
    for place, event in enumerate(events):
        try:
            rows.append(data.expected.row(event, now))
        except EventError as error:
            problems.append(f"event {place} ({event.event_id[:40]}): {error}")
    if problems:
        more = len(problems) - MAX_PROBLEMS
        listed = "; ".join(problems[:MAX_PROBLEMS])
        raise RequestError(
            400,
            f"{listed}{f'; and {more} more' if more > 0 else ''}. None of the "
            f"{len(events)} events was taken.",
        )
    return rows

"""``/v1/recommend/{user}``: the live model's list of items for a user, with titles."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.list_log.files import ListLog
from pipeline.recommend.item_titles import Titles, UnknownItemError
from pipeline.recommend.list_rules import (
    FilterError,
    checked_age,
    filter_pairs,
    why_short,
)
from pipeline.recommend.request_time import now, seconds_of
from pipeline.recommend.user_history import (
    History,
    SignatureError,
    Without,
    listed,
    recommend_inputs,
)
from pipeline.serving.accepted_ratings import AcceptedRatings, ServedData
from pipeline.serving.batching import Batcher
from pipeline.serving.errors import RequestError
from pipeline.serving.event_writer import EventWriter
from pipeline.serving.list_cursor import MAX_LISTED, Cursor
from pipeline.serving.middleware import JSON
from pipeline.serving.recommended_list import Item, MadeOf, RecommendedList, logged
from pipeline.serving.version_watcher import LiveModel
from trainer_modules.configs.list_rules import Rules

MAX_ITEMS = 1000  # in a list
# In a list with reasons, whose time is the product of its items and the liked ones.
MAX_EXPLAINED = 100
MAX_LIKES, MAX_TITLE_LENGTH = 100, 200
MAX_EXCLUDED, MAX_FILTERS = 1000, 100


class RecommendApi:
    """Handler of the lists."""

    def __init__(
        self,
        live: LiveModel,
        ratings: AcceptedRatings,
        batcher: Batcher,
        events: EventWriter | None,
        log: ListLog | None,
    ):
        self._live, self._ratings, self._batcher = live, ratings, batcher
        self._events, self._log = events, log

    async def recommend(self, request: Request) -> Response:
        """Returns a page of a user's list, without items that are left out of it.

        Query parameters: ``k`` is the number of items, 1 to 1000, by default 10; each
        ``like`` is the ID or the title of an item that the user also likes; ``at`` is
        the time of the request, in ISO 8601, by default now: items may be recommended
        again by then, and models read its hour and weekday. Each ``exclude`` is the ID
        of an item that the list must not contain; each ``filter`` is a field and a
        value, as in ``genres:Drama``, of which an item must have one for each field.
        ``age`` is the user's age, for the rule of a minimum age.
        ``cursor`` is the ``next`` of a page, and continues its list, with its likes and
        its time; ``exclude``, ``filter`` and ``age`` are given again. With
        ``why=true``, each item has its reasons, and ``k`` is at most 100.
        """
        user = request.path_params["user"]
        why = _flag("why", request.query_params.get("why", "false"))
        most = MAX_EXPLAINED if why else MAX_ITEMS
        k = number_of_items(request.query_params.get("k", "10"), most)
        with self._live.held() as model:
            data = self._ratings.of(model)
            place = await _place(request, user, model.number, data.titles)
            end = min(place.num_listed + k, MAX_LISTED)
            rated = data.histories.of(user)
            if self._events:
                rated = self._events.added_to(rated, user, data.expected)
            history = rated.liking(place.likes)
            names = model.specs("recommend")
            without, wanted = _without(request, model.rules), [history]
            try:
                inputs = recommend_inputs([user], wanted, end, names, place.at, without)
            except SignatureError as error:
                raise RequestError(400, f"exclude: {error}") from error
            answer = await self._batcher.ask(model, "recommend", inputs)
            name, version, rules = model.name, model.number, model.rules
        found = listed(answer.outputs["item_id"][0], answer.outputs["score"][0])
        item_ids = [item_id for item_id, _ in found]
        place.check_seen(history, item_ids[: place.num_listed])
        items = [
            Item(item_id, data.titles.of(item_id), score)
            for item_id, score in found[place.num_listed :]
        ]
        if why:
            await asyncio.to_thread(_add_reasons, items, history, data)
        may_continue = len(found) == end < MAX_LISTED
        recommended = RecommendedList(
            user=user,
            known=user in data.histories or bool(rated.items),
            made_of=_made_of(bool(rated.items), bool(place.likes)),
            model=name,
            version=version,
            rated=len(rated.items),
            items=items,
            short=why_short(rules, without.filters, len(items), k),
            next=place.after(history, item_ids).text()
            if may_continue
            else msgspec.UNSET,
        )
        body = msgspec.json.encode(recommended)
        if self._log and self._log.is_wanted:
            made_of = MadeOf(place, history, without, rules, answer.call)
            self._log.add(logged(recommended, k, made_of, self._log.share))
        return Response(body, media_type=JSON)


async def _place(request: Request, user: str, version: int, titles: Titles) -> Cursor:
    """Returns where the page begins: at the start of a list, or after another page."""
    parameters = request.query_params
    cursor = parameters.get("cursor")
    if cursor is None:
        at = _time(parameters.get("at"))
        likes = parameters.getlist("like")
        liked = await asyncio.to_thread(_found, titles, likes) if likes else []
        return Cursor(user, version, now() if at is None else at, liked)
    if given := {"at", "like"} & parameters.keys():
        raise RequestError(
            400, f"{given.pop()}: a list with a cursor has that of its first page"
        )
    place = Cursor.read(cursor)
    place.check(user, version)
    return place


def _add_reasons(items: list[Item], history: History, data: ServedData) -> None:
    liked = history.liked(data.data.threshold)
    recommended = [item.item_id for item in items]
    reasons = data.likes.reasons(recommended, liked, data.titles)
    for item, supporting in zip(items, reasons, strict=True):
        item.reasons = supporting


def _made_of(has_history: bool, has_likes: bool) -> str:
    if has_history:
        return "history"
    return "likes" if has_likes else "popularity"


def number_of_items(text: str, most: int) -> int:
    """Returns the number ``k`` of a request.

    Raises:
        RequestError: If it is not a number from 1 to ``most`` (400).
    """
    is_number = text.isascii() and text.isdecimal() and len(text) < 10
    if not (is_number and 1 <= int(text) <= most):
        raise RequestError(400, f"k={text[:20]!r}: expected a number from 1 to {most}")
    return int(text)


def _flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise RequestError(400, f"{name}={text[:20]!r}: expected true or false")
    return text == "true"


def _without(request: Request, rules: Rules | None) -> Without:
    excluded = request.query_params.getlist("exclude")
    filters = request.query_params.getlist("filter")
    if len(excluded) > MAX_EXCLUDED or len(filters) > MAX_FILTERS:
        raise RequestError(
            400, f"expected at most {MAX_EXCLUDED} exclude and {MAX_FILTERS} filter"
        )
    name = "filter"
    try:
        pairs, name = filter_pairs(rules, filters), "age"
        return Without(
            excluded, pairs, checked_age(rules, request.query_params.get(name))
        )
    except FilterError as error:
        raise RequestError(400, f"{name}={error}") from error


def _time(text: str | None) -> int | None:
    try:
        return None if text is None else seconds_of(text)
    except (ValueError, OverflowError) as error:
        raise RequestError(
            400, f"at={text!r:.40}: expected a time such as 2026-11-20T12:30Z"
        ) from error


def _found(titles: Titles, likes: list[str]) -> list[str]:
    if len(likes) > MAX_LIKES or max(map(len, likes)) > MAX_TITLE_LENGTH:
        raise RequestError(
            400,
            f"expected at most {MAX_LIKES} likes of {MAX_TITLE_LENGTH} characters",
        )
    try:
        return [titles.find(like) for like in likes]
    except UnknownItemError as error:
        raise RequestError(400, f"like={error}") from error

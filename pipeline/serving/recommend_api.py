"""``/v1/recommend/{user}``: the live model's list of items for a user, with titles."""

import asyncio
import dataclasses
import logging
import time

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
from pipeline.serving.arms import Arms, Maker
from pipeline.serving.batching import Batcher
from pipeline.serving.errors import RequestError
from pipeline.serving.event_writer import EventWriter
from pipeline.serving.exploration import Exploration
from pipeline.serving.list_cursor import MAX_LISTED, Cursor
from pipeline.serving.middleware import JSON
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.recommended_list import (
    Item,
    MadeOf,
    RecommendedList,
    Served,
    logged,
    logged_failure,
)
from trainer_modules.configs.list_rules import Rules

_log = logging.getLogger(__name__)

MAX_ITEMS = 1000  # in a list
# In a list with reasons, whose time is the product of its items and the liked ones.
MAX_EXPLAINED = 100
MAX_LIKES, MAX_TITLE_LENGTH = 100, 200
MAX_SHADOWS = 32  # lists that are made at once without being shown
MAX_EXCLUDED, MAX_FILTERS = 1000, 100


@dataclasses.dataclass(frozen=True)
class _Refusal:
    """A request that the version on trial does not answer, as if it were wrong."""

    maker: Maker
    error: RequestError


class RecommendApi:
    """Handler of the lists."""

    def __init__(
        self,
        arms: Arms,
        ratings: AcceptedRatings,
        batcher: Batcher,
        events: EventWriter | None,
        log: ListLog | None,
        exploration: Exploration,
    ):
        self._arms, self._ratings, self._batcher = arms, ratings, batcher
        self._events, self._log, self._exploration = events, log, exploration
        self._shadows: set[asyncio.Task[None]] = set()

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

        A list that the version on trial cannot make is made by the live version, also
        if only the version on trial refuses the request.
        """
        with self._arms.challenger(request.path_params["user"]) as maker:
            page = await self._attempted(request, maker) if maker else None
        if not isinstance(page, RecommendedList):
            page = await self._page_of_live(request, page)
        return Response(msgspec.json.encode(page), media_type=JSON)

    async def _attempted(
        self, request: Request, maker: Maker
    ) -> RecommendedList | _Refusal | None:
        """Returns a page of the version on trial, or its refusal; None if it fails."""
        try:
            return await self._page(request, maker)
        except Exception as error:
            if isinstance(error, RequestError) and not _is_failure(error):
                return _Refusal(maker, error)
            _log.warning("version %d on trial: %r", maker.model.number, error)
            return None

    async def _page_of_live(
        self, request: Request, refusal: _Refusal | None
    ) -> RecommendedList:
        """Returns a page of the version that usually makes lists.

        Args:
            request: The request.
            refusal: The refusal of the version on trial, which is the answer if the
                other version refuses the request, too.
        """
        with self._arms.usual() as maker:
            try:
                page = await self._page(request, maker)
            except RequestError as error:
                raise refusal.error if refusal else error from error
        if refusal:
            self._count_refusal(request, refusal)
        is_first = "cursor" not in request.query_params  # which another version cannot
        if self._arms.has_shadow and is_first and len(self._shadows) < MAX_SHADOWS:
            # A task: the client's next request does not wait for it.
            task = asyncio.create_task(self._make_shadow(request, page))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return page

    async def _make_shadow(self, request: Request, shown: RecommendedList) -> None:
        """Makes a list with the version on trial as well, after the answer was sent."""
        with self._arms.shadow() as maker:
            started = time.perf_counter()
            page = await self._attempted(request, maker) if maker else None
        if isinstance(page, _Refusal):
            self._count_refusal(request, page)
        elif page:
            self._arms.compare(shown, page, time.perf_counter() - started)

    def _count_refusal(self, request: Request, refusal: _Refusal) -> None:
        """Logs as a failure that only the version on trial refuses a request.

        Unless the request continues a list of the other version.
        """
        if "cursor" in request.query_params:
            return
        model, arm = refusal.maker.model, refusal.maker.arm
        _log.warning("version %d on trial: %r", model.number, refusal.error)
        if self._log and self._log.is_wanted:
            served = Served(self._log.share, arm, 0.0, failed=True)
            user, k = request.path_params["user"], _number_of_items(request)
            self._log.add(logged_failure(user, model, k, served))

    async def _page(self, request: Request, maker: Maker) -> RecommendedList:
        """Returns a page of a version, after logging it, or that it failed."""
        is_logged = self._log is not None and self._log.is_wanted
        started = time.perf_counter()
        k = _number_of_items(request)
        try:
            page, made_of = await self._made(request, maker.model, k)
        except Exception as error:
            if self._log and is_logged and maker.is_ready and _is_failure(error):
                seconds = time.perf_counter() - started
                served = Served(self._log.share, maker.arm, seconds, failed=True)
                user = request.path_params["user"]
                self._log.add(logged_failure(user, maker.model, k, served))
            raise
        if self._log and is_logged:
            seconds = time.perf_counter() - started
            served = Served(self._log.share, maker.arm, seconds)
            self._log.add(logged(page, k, made_of, served))
        return page

    async def _made(
        self, request: Request, model: ModelProcess, k: int
    ) -> tuple[RecommendedList, MadeOf]:
        """Returns a page of a version, and what it was made of."""
        user, data = request.path_params["user"], self._ratings.of(model)
        seed = self._exploration.seed()
        begin = Cursor(user, model.number, now(), [], seed=seed)
        place = await _place(request, begin, data.titles)
        end = min(place.num_listed + k, MAX_LISTED)
        most = self._exploration.num_wanted(place, end)
        rated = data.histories.of(user)
        if self._events:
            rated = self._events.added_to(rated, user, data.expected)
        history = rated.liking(place.likes)
        names = model.specs("recommend")
        without, wanted = _without(request, model.rules), [history]
        try:
            inputs = recommend_inputs([user], wanted, most, names, place.at, without)
        except SignatureError as error:
            raise RequestError(400, f"exclude: {error}") from error
        answer = await self._batcher.ask(model, "recommend", inputs)
        found = listed(answer.outputs["item_id"][0], answer.outputs["score"][0])
        item_ids = [item_id for item_id, _ in found]
        place.check_seen(history, item_ids)
        page = self._exploration.page(item_ids, place, end)
        items = [
            Item(item_ids[rank], data.titles.of(item_ids[rank]), found[rank][1])
            for rank in page.ranks
        ]
        if _wants_reasons(request):
            await asyncio.to_thread(_add_reasons, items, history, data)
        num_listed = place.num_listed + len(items)
        is_more = len(found) == most or len(found) > num_listed
        recommended = RecommendedList(
            user=user,
            known=user in data.histories or bool(rated.items),
            made_of=_made_of(bool(rated.items), bool(place.likes)),
            model=model.name,
            version=model.number,
            rated=len(rated.items),
            items=items,
            short=why_short(model.rules, without, len(items), end - place.num_listed),
            next=place.after(history, item_ids, page.ranks).text()
            if is_more and num_listed < MAX_LISTED
            else msgspec.UNSET,
        )
        pool = [item_ids[rank] for rank in page.pool]
        return recommended, MadeOf(
            place, history, without, model.rules, answer.call, page, pool
        )


def _is_failure(error: Exception) -> bool:
    """Returns whether an error is the server's, and not the client's."""
    return not isinstance(error, RequestError) or error.status >= 500


def _wants_reasons(request: Request) -> bool:
    return _flag("why", request.query_params.get("why", "false"))


def _number_of_items(request: Request) -> int:
    most = MAX_EXPLAINED if _wants_reasons(request) else MAX_ITEMS
    return number_of_items(request.query_params.get("k", "10"), most)


async def _place(request: Request, begin: Cursor, titles: Titles) -> Cursor:
    """Returns where the page begins: at the start of a list, or after another page.

    Args:
        request: The request.
        begin: The start of a list that is requested now, without likes.
        titles: Titles of the items.
    """
    parameters = request.query_params
    cursor = parameters.get("cursor")
    if cursor is None:
        at = _time(parameters.get("at"))
        likes = parameters.getlist("like")
        liked = await asyncio.to_thread(_found, titles, likes) if likes else []
        at = begin.at if at is None else at
        return msgspec.structs.replace(begin, at=at, likes=liked)
    if given := {"at", "like"} & parameters.keys():
        raise RequestError(
            400, f"{given.pop()}: a list with a cursor has that of its first page"
        )
    place = Cursor.read(cursor)
    place.check(begin.user, begin.version)
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

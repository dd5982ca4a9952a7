"""``/v1/recommend/{user}``: the live model's list for a user, with titles."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.recommend.item_titles import Titles, UnknownItemError
from pipeline.recommend.user_history import listed, recommend_inputs
from pipeline.serving.accepted_ratings import AcceptedRatings, Known
from pipeline.serving.batching import Batcher
from pipeline.serving.errors import RequestError
from pipeline.serving.middleware import JSON, route
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.version_watcher import LiveModel

PATH = "/v1/recommend/{user:path}"
MOST = 1000  # items of a list
MOST_LIKES, LONGEST_LIKE = 100, 200


class Item(msgspec.Struct):
    """A place on the list.

    Attributes:
        item_id: Of the item.
        title: Of it; its id where it has none.
        score: Of the model; the larger the better, comparable within one list.
    """

    item_id: str
    title: str
    score: float


class RecommendedList(msgspec.Struct):
    """A user's list.

    Attributes:
        user: That was asked for.
        known: Whether the ratings at hand have any of the user.
        made_of: ``history`` (what the user has rated, and ``like``), ``likes`` (an
            unknown user's ``like`` alone) or ``popularity`` (nothing is known).
        model: That answered.
        version: Of it.
        rated: How many items the user has rated; none of them is on the list.
        items: Best first.
    """

    user: str
    known: bool
    made_of: str
    model: str
    version: int
    rated: int
    items: list[Item]


class Lists:
    """The path of lists."""

    def __init__(self, live: LiveModel, ratings: AcceptedRatings, batcher: Batcher):
        self._live, self._ratings, self._batcher = live, ratings, batcher

    def routes(self) -> list[BaseRoute]:
        """One."""
        return [route(PATH, self.recommend, "GET")]

    async def recommend(self, request: Request) -> Response:
        """Makes a user's list of what is not rated yet.

        ``k`` is its length, 1 to 1000, else 10; each ``like`` is the id or the title of
        an item that the user likes besides.
        """
        user = request.path_params["user"]
        k = _k(request.query_params.get("k", "10"))
        likes = request.query_params.getlist("like")
        with self._live.held() as model:
            known = self._known_to(model)
            asked = []
            if likes:
                asked = await asyncio.to_thread(_found, known.titles, likes)
            rated = known.histories.of(user)
            inputs = recommend_inputs([user], [rated.liking(asked)], k)
            model.specs("recommend")
            answer = await self._batcher.ask(model, "recommend", inputs)
            name, version = model.name, model.number
        items = listed(answer["item_id"][0], answer["score"][0])
        told = RecommendedList(
            user=user,
            known=user in known.histories,
            made_of=_made_of(bool(rated.items), bool(asked)),
            model=name,
            version=version,
            rated=len(rated.items),
            items=[Item(i, known.titles.of(i), score) for i, score in items],
        )
        return Response(msgspec.json.encode(told), media_type=JSON)

    def _known_to(self, model: ModelProcess) -> Known:
        known = self._ratings.of(model)
        if known is None:
            raise RequestError(
                503,
                f"the ratings that version {model.number} was accepted with have not "
                "been read; see the server's log",
            )
        return known


def _made_of(has_history: bool, has_likes: bool) -> str:
    if has_history:
        return "history"
    return "likes" if has_likes else "popularity"


def _k(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 10
    if not (is_number and 1 <= int(text) <= MOST):
        raise RequestError(400, f"k={text[:20]!r}: expected a number from 1 to {MOST}")
    return int(text)


def _found(titles: Titles, likes: list[str]) -> list[str]:
    if len(likes) > MOST_LIKES or max(map(len, likes)) > LONGEST_LIKE:
        raise RequestError(
            400,
            f"at most {MOST_LIKES} likes of {LONGEST_LIKE} characters are looked up",
        )
    try:
        return [titles.find(like) for like in likes]
    except UnknownItemError as error:
        raise RequestError(400, f"like={error}") from error

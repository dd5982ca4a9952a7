"""``/v1/similar/{item}``: the items that are similar to one, with titles."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.recommend.item_titles import Titles, UnknownItemError
from pipeline.recommend.likes import Likes
from pipeline.recommend.similar_items import (
    ARE_LISTED,
    CANDIDATES,
    SIGNATURE,
    MadeOf,
    SimilarList,
    listed_inputs,
    only_listed,
    similar_inputs,
)
from pipeline.recommend.user_history import listed
from pipeline.serving.accepted_ratings import AcceptedRatings
from pipeline.serving.batching import Batcher
from pipeline.serving.errors import RequestError, no_answer, too_many_waiting
from pipeline.serving.middleware import JSON
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.recommend_api import (
    MAX_ITEMS,
    MAX_TITLE_LENGTH,
    number_of_items,
)
from pipeline.serving.settings import ServingSettings
from pipeline.serving.version_watcher import LiveModel

COUNTED_AT_ONCE = 2  # similar items by likes


class SimilarApi:
    """Handler of the lists of similar items."""

    def __init__(
        self,
        live: LiveModel,
        ratings: AcceptedRatings,
        batcher: Batcher,
        settings: ServingSettings,
    ):
        self._live, self._ratings, self._batcher = live, ratings, batcher
        self._settings, self._num_waiting = settings, 0
        self._turns = asyncio.Semaphore(COUNTED_AT_ONCE)

    async def similar(self, request: Request) -> Response:
        """Returns the items that are similar to one.

        The path ends with the ID or the title of the item. The query parameter ``k`` is
        the number of items, 1 to 1000, by default 10.
        """
        text = request.path_params["item"]
        k = number_of_items(request.query_params.get("k", "10"), MAX_ITEMS)
        with self._live.held() as model:
            data = self._ratings.of(model)
            item_id = await asyncio.to_thread(_found, data.titles, text)
            made_of: MadeOf = "vectors" if SIGNATURE in model.inputs else "likes"
            if made_of == "vectors":
                inputs = similar_inputs(item_id, k)
                answer = await self._batcher.ask(model, SIGNATURE, inputs)
                outputs = answer.outputs
                found = listed(outputs["item_id"][0], outputs["score"][0])
            else:
                found = await self._by_likes(model, data.likes, item_id, k)
            version = model.version
        similar = SimilarList.of(item_id, made_of, version, data.titles, found)
        return Response(msgspec.json.encode(similar), media_type=JSON)

    async def _by_likes(
        self, model: ModelProcess, likes: Likes, item_id: str, k: int
    ) -> list[tuple[str, float]]:
        """Returns the items that the same users like, and that may be listed.

        Raises:
            RequestError: If there is no answer in time (504), or too many wait (429).
        """
        timeout = self._settings.timeout
        if self._num_waiting >= self._settings.max_waiting:
            raise too_many_waiting()
        self._num_waiting += 1
        try:
            async with asyncio.timeout(timeout), self._turns:
                found = await asyncio.to_thread(likes.similar, item_id, CANDIDATES)
        except TimeoutError:
            raise no_answer(timeout) from None
        finally:
            self._num_waiting -= 1
        if not found or ARE_LISTED not in model.inputs:
            return found[:k]
        [answer] = await model.ask(ARE_LISTED, [listed_inputs(found)])
        if isinstance(answer, Exception):
            raise answer
        return only_listed(found, answer, k)


def _found(titles: Titles, text: str) -> str:
    if len(text) > MAX_TITLE_LENGTH:
        raise RequestError(
            400, f"expected the ID or title of an item, up to {MAX_TITLE_LENGTH} long"
        )
    try:
        return titles.find(text)
    except UnknownItemError as error:
        raise RequestError(404, str(error)) from error

"""Requests that only the version on trial refuses, with stand-ins for the versions."""

import asyncio
import contextlib

import pytest
from starlette.requests import Request

from pipeline.serving.arms import Maker
from pipeline.serving.errors import RequestError
from pipeline.serving.exploration import Exploration
from pipeline.serving.recommend_api import RecommendApi
from pipeline.serving.recommended_list import RecommendedList

PAGE = RecommendedList("ann", True, "history", "live", 1, 3, [], "")
FILTER = RequestError(400, "the lists of version 2 cannot be filtered by provider")
WRONG = RequestError(400, "wrong, says version 1")


class Version:
    def __init__(self, number):
        self.number, self.name = number, "model"


class Log:
    """Keeps what is logged."""

    share, is_wanted = 1.0, True

    def __init__(self):
        self.rows = []

    def add(self, row):
        self.rows.append(row)


class StandInArms:
    """A trial in which every user gets the lists of version 2, or no user."""

    def __init__(self, has_shadow):
        self.has_shadow, self.compared = has_shadow, 0

    @contextlib.contextmanager
    def challenger(self, user):
        del user
        yield None if self.has_shadow else Maker(Version(2), "new")

    @contextlib.contextmanager
    def usual(self):
        yield Maker(Version(1), "old")

    @contextlib.contextmanager
    def shadow(self):
        yield Maker(Version(2), "shadow")

    def compare(self, *_):
        self.compared += 1


def answer_of(answers, query="", has_shadow=False):
    """Returns the status of the answer, and the log, given version → answer."""

    class Lists(RecommendApi):
        async def _page(self, request, maker):
            del request
            if isinstance(answer := answers[maker.model.number], Exception):
                raise answer
            return answer

    async def run():
        log = Log()
        lists = Lists(StandInArms(has_shadow), {}, None, None, log, Exploration(0, 0))
        scope = {"type": "http", "query_string": query.encode(), "headers": []}
        request = Request(scope | {"path_params": {"user": "ann"}})
        try:
            status = (await lists.recommend(request)).status_code
        except RequestError as error:
            status = str(error)
        await asyncio.gather(*lists._shadows)
        return status, log.rows

    return asyncio.run(run())


@pytest.mark.parametrize("has_shadow", [True, False])
def test_a_list_is_the_live_versions_and_a_failure_of_the_other(has_shadow):
    status, rows = answer_of({1: PAGE, 2: FILTER}, "k=3", has_shadow)
    assert status == 200
    [row] = rows
    assert (row.version, row.failed) == (2, True)
    assert row.arm == ("shadow" if has_shadow else "new")


def test_what_both_refuse_is_wrong_and_the_answer_is_that_of_the_users_version():
    status, rows = answer_of({1: WRONG, 2: FILTER})
    assert status == str(FILTER)
    assert rows == []


@pytest.mark.parametrize("has_shadow", [True, False])
def test_a_list_that_the_other_version_began_is_no_failure(has_shadow):
    gone = RequestError(410, "the cursor is of another version's list")
    status, rows = answer_of({1: PAGE, 2: gone}, "cursor=x", has_shadow)
    assert (status, rows) == (200, [])

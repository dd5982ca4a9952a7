"""A user's list as it is answered, and as it is logged."""

import dataclasses
import time
from collections.abc import Sequence

import msgspec

from pipeline.list_log.shown import Shown
from pipeline.recommend.likes import Reason
from pipeline.recommend.user_history import History, Without
from pipeline.serving.batching import Call
from pipeline.serving.exploration import Page
from pipeline.serving.list_cursor import MAX_LISTED, Cursor
from pipeline.serving.model_process import ModelProcess
from trainer_modules.configs.list_rules import Rules


class Item(msgspec.Struct):
    """An item of a list.

    Attributes:
        item_id: ID of the item.
        title: Title of the item, or its ID if it has none.
        score: The model's score; larger is better. Scores are comparable only within
            one list.
        reasons: Liked items that support it; only with ``why=true``.
    """

    item_id: str
    title: str
    score: float
    reasons: list[Reason] | msgspec.UnsetType = msgspec.UNSET


class RecommendedList(msgspec.Struct):
    """A user's list.

    Attributes:
        user: ID of the user, as in the request.
        known: Whether the ratings contain the user, or events have been received.
        made_of: What the list is based on: ``history`` (the user's ratings, events and
            ``like``), ``likes`` (only ``like``, for an unknown user) or ``popularity``
            (neither).
        model: Name of the model.
        version: Number of the model's version.
        rated: Number of the user's ratings and events; the list contains none of their
            items that are not recommended again.
        items: The recommended items, best first; the last of a page may be drawn at
            random from those that follow.
        short: Why the list is shorter than requested; "" if it is not.
        next: The ``cursor`` that continues the list; missing at its end.
    """

    user: str
    known: bool
    made_of: str
    model: str
    version: int
    rated: int
    items: list[Item]
    short: str = ""
    next: str | msgspec.UnsetType = msgspec.UNSET


@dataclasses.dataclass(frozen=True)
class MadeOf:
    """What a page was made of.

    Attributes:
        place: Where the page begins, and its time.
        history: The user's history.
        without: What the request leaves out.
        rules: Rules of the version; None if it has none.
        call: The call of the model; None if there were several.
        page: The items, by their ranks in the model's list.
        pool: IDs of the items that the last places were drawn from.
    """

    place: Cursor
    history: History
    without: Without
    rules: Rules | None
    call: Call | None
    page: Page = Page([], [], [])
    pool: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Served:
    """How a page was served.

    Attributes:
        share: Share of the lists that are logged.
        arm: Arm of the trial; "" without one.
        seconds: Time that it took.
        failed: Whether it could not be made.
    """

    share: float
    arm: str
    seconds: float
    failed: bool = False


def logged(answered: RecommendedList, k: int, made_of: MadeOf, served: Served) -> Shown:
    """Returns a page as it is logged.

    Args:
        answered: The page.
        k: Number of items that it may have.
        made_of: What it was made of.
        served: How it was served.
    """
    history, call, rules = made_of.history, made_of.call, made_of.rules
    return Shown(
        time=time.time_ns() // 1000,
        share=served.share,
        version=answered.version,
        model=answered.model,
        user=answered.user,
        known=answered.known,
        k=min(k, MAX_LISTED - made_of.place.num_listed),
        start=made_of.place.num_listed,
        items=[item.item_id for item in answered.items],
        scores=[item.score for item in answered.items],
        probabilities=made_of.page.probabilities,
        ranks=made_of.page.ranks,
        pool=made_of.pool,
        short=answered.short,
        at=made_of.place.at,
        excluded=made_of.without.items,
        filters=made_of.without.filters,
        has_feed=rules is not None and rules.feed is not None,
        history_items=history.items if history.coded is None else history.coded,
        history_ratings=history.ratings,
        history_times=history.times,
        history_types=history.event_types,
        user_features=(*history.features, *made_of.without.user_features),
        call_rows=call.rows if call else None,
        call_place=call.place if call else None,
        call_k=call.k if call else None,
        call_widths=call.widths if call else {},
        arm=served.arm,
        seconds=served.seconds,
        failed=served.failed,
    )


def logged_failure(user: str, model: ModelProcess, k: int, served: Served) -> Shown:
    """Returns a page that could not be made as it is logged."""
    number = model.number
    nothing = RecommendedList(user, False, "", model.name, number, 0, [])
    place = Cursor(user, number, time.time_ns() // 1_000_000_000, [])
    made_of = MadeOf(place, History(), Without(), None, None)
    return logged(nothing, k, made_of, served)

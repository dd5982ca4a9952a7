"""The rules of lists: what `lists.rules` of the configuration names a file of."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from trainer_modules.configs.duration import duration_seconds
from trainer_modules.configs.types import Share

Name = Annotated[str, Meta(min_length=1, description="text")]
# More places, or items to choose from, would take longer than scoring them.
Places = Annotated[int, Meta(ge=1, le=100)]
PoolSize = Annotated[int, Meta(ge=1, le=10_000)]
# How ages are written in files, feeds and requests: none is negative.
AGE_PATTERN = r"[0-9]{1,3}(\.[0-9]+)?"
Years = Annotated[float, Meta(ge=0, lt=1000)]
Age = Annotated[
    str,
    Meta(
        pattern=r"^[1-9]\d{0,5} *(s|m|h|d)\Z",
        description="a time such as '90s', '30m', '2h' or '1d'",
    ),
]


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that states which items are available, and may replace their fields.

    Attributes:
        path: CSV file with the columns ``item_id`` and ``available``, and optionally
            some of the fields that the rules use.
        stale_after: Age at which the file is reported as stale.
    """

    path: Name
    stale_after: Age = "1h"

    @property
    def stale_seconds(self) -> int:
        """Age at which the file is reported as stale, in seconds."""
        return duration_seconds(self.stale_after)


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many items of a list may share a value of a field.

    Attributes:
        field: The field.
        at_most: Number of items with the same value.
        in_first: Number of the first places of a list to which the limit applies.
    """

    field: Name
    at_most: Places
    in_first: Places = 10


class Diversity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much the items of a list differ in the values of a field.

    Attributes:
        field: The field.
        relevance: ``lambda``, the weight of an item's score, 0 to 1; the rest is the
            weight of its similarity to the items before it.
        in_first: Number of the first places of a list that are chosen so.
    """

    field: Name
    relevance: Share = msgspec.field(name="lambda", default=0.7)
    in_first: Places = 10


class Boost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which items move up.

    Attributes:
        field: A field.
        value: The items with this value of the field move up.
        places: By how many places at most.
    """

    field: Name
    value: Name
    places: Places


class MinimumAge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which age on users may see an item.

    Attributes:
        item_field: The items' minimum ages: a field of the file of items, whose values
            a feed may replace, or a column of the feed.
        item_field_in: Which of the two: ``items`` or ``feed``.
        user_field: The users' ages: a field of the file of users; null if only requests
            have them.
        unknown_user: The age of a user whose age is unknown. With 0, lists have only
            items without a minimum age.
        unknown_item: The minimum age of an item without a value.
    """

    item_field: Name
    item_field_in: Literal["items", "feed"] = "items"
    user_field: Name | None = None
    unknown_user: Years = 0
    unknown_item: Years = 0


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lists may contain, and in which order.

    Attributes:
        deny: IDs of items that are never listed.
        deny_values: Field → values; items with one of them are never listed.
        allow: IDs of the items that may be listed. Null, without ``allow_values`` too,
            allows all.
        allow_values: Field → values; items with one of them may be listed too.
        feed: The file with the available items; null if all are.
        minimum_age: From which age on users may see items; null for any age.
        limits: How many items may share a value.
        diversity: How much items must differ; null for not at all.
        boosts: Which items move up.
        filters: Fields that a request may filter by, besides those of other rules.
        pool: From how many of the best items limits, diversity and boosts choose.
    """

    deny: list[Name] = []
    deny_values: dict[str, list[Name]] = {}
    allow: list[Name] | None = None
    allow_values: dict[str, list[Name]] = {}
    feed: Feed | None = None
    minimum_age: MinimumAge | None = None
    limits: list[Limit] = []
    diversity: Diversity | None = None
    boosts: list[Boost] = []
    filters: list[Name] = []
    pool: PoolSize = 500

    @property
    def values(self) -> list[tuple[str, str, str]]:
        """The values that the rules name: the rule's key, the field and the value."""
        named = [
            (f"{key}.{field}", field, value)
            for key, by_field in (
                ("deny_values", self.deny_values),
                ("allow_values", self.allow_values),
            )
            for field, values in by_field.items()
            for value in values
        ]
        return [*named, *(("boosts", b.field, b.value) for b in self.boosts)]

    @property
    def fields(self) -> list[str]:
        """The fields that rules or filters use, each once."""
        named = [
            *self.deny_values,
            *self.allow_values,
            *(limit.field for limit in self.limits),
            *([self.diversity.field] if self.diversity else []),
            *(boost.field for boost in self.boosts),
            *self.filters,
        ]
        return list(dict.fromkeys(named))

    @property
    def feed_fields(self) -> list[str]:
        """The fields whose values a feed may replace, each once."""
        ages = [self.minimum_age.item_field] if self.minimum_age else []
        return list(dict.fromkeys([*self.fields, *ages]))

    @property
    def num_chosen(self) -> int:
        """How many of the first places limits or diversity choose."""
        chosen = [limit.in_first for limit in self.limits]
        return max(chosen + ([self.diversity.in_first] if self.diversity else [0]))

    @property
    def has_order(self) -> bool:
        """Whether any rule changes the order of a list."""
        return bool(self.limits or self.diversity or self.boosts)

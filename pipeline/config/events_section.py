"""The settings that decide what the types of events mean."""

from typing import Literal

import msgspec

from pipeline.config.types import Text
from trainer_modules.configs.types import Positive

POSITIVE, NEGATIVE, CONTEXT = "positive", "negative", "context"


class EventType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the events of one type mean.

    Attributes:
        role: ``positive`` if they show that a user likes an item, ``negative`` if they
            show a dislike, ``context`` if they are only read as part of a history.
        weight: How much an event counts in training, beside the other types; ignored
            for ``context``.
    """

    role: Literal["positive", "negative", "context"] = "positive"
    weight: Positive = 1.0

    @property
    def rating(self) -> float:
        """The rating of such events: the weight, below 0 for a dislike."""
        return {POSITIVE: self.weight, NEGATIVE: -self.weight, CONTEXT: 0.0}[self.role]


class EventsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the types of events in a log mean (docs/events.md).

    Attributes:
        types: Type → role and weight, as in ``{view: {role: context}, transaction:
            {weight: 4}}``: the role is ``positive``, ``negative`` or ``context``, and
            the weight is above 0. Rows of other types are bad. If empty, every row
            counts alike.
        judged: Types whose events are predicted in evaluation, and whose items are not
            recommended again. If empty, those with the role ``positive`` or
            ``negative``.
    """

    types: dict[str, EventType] = {}
    judged: list[Text] = []

    def judged_types(self) -> list[str]:
        """Returns the types whose events are predicted in evaluation."""
        if self.judged:
            return self.judged
        return [name for name, kind in self.types.items() if kind.role != CONTEXT]

    def roles_judged(self) -> set[str]:
        """Returns the roles of these types."""
        return {self.types[name].role for name in self.judged_types()}

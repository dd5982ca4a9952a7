"""The settings that decide what recommended lists contain."""

import msgspec

from pipeline.config.types import RecommendAgain, Text
from trainer_modules.configs.duration import duration_seconds
from trainer_modules.configs.types import Count

NEVER = "never"


class ListsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lists contain: in evaluation, ``marquee batch`` and the server alike.

    Attributes:
        recommend_again: Whether an item of a user's history is recommended again:
            ``never``; ``true``; or "after 7d" (or m, h), which leaves an item out for
            that time since the last interaction. With types of events, only items of
            judged and negative events are ever left out (docs/events.md).
        index_from: From how many items on lists are found by an index instead of
            scoring every item, for models whose scores are inner products
            (docs/serving.md); null for never.
        index_probes: How many lists of the index are searched for each user: more find
            more of the best items, and take longer.
        rules: File with rules of what lists may contain, and in which order
            (docs/rules.md); null for none.
    """

    recommend_again: RecommendAgain = NEVER
    index_from: Count | None = 100_000
    index_probes: Count = 64
    rules: Text | None = None

    @property
    def again_after(self) -> int | None:
        """For how many seconds an item is left out; None for ever."""
        if isinstance(self.recommend_again, bool):
            return 0 if self.recommend_again else None
        if self.recommend_again == NEVER:
            return None
        return duration_seconds(self.recommend_again)

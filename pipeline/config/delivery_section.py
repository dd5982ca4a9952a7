"""The settings that decide how a version that passed the gate gets its users."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipeline.config.types import Text
from trainer_modules.configs.types import Count, Fraction, Positive

SHADOW = "shadow"  # a mode, and the arm of the lists that it logs
_Mode = Literal["at_once", "shadow", "canary", "ab"]


class DeliveryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model that passed the gate gets its users (docs/delivery.md).

    Attributes:
        mode: ``at_once`` gives it all users. ``shadow`` makes each list with it as
            well, without showing it, until ``shadow_lists`` were made. ``canary`` shows
            its lists to a share of the users until a larger loss than ``max_loss`` is
            ruled out, ``ab`` until they are significantly better. All but ``at_once``
            need ``marquee serve`` with ``--events`` and ``--log-lists``.
        share: Share of the users who get its lists, with ``canary`` and ``ab``.
        arms: Names of the live version's users and of the others, in the log of lists
            and in metrics.
        alpha: Probability with which a trial of an equally good model is ever withdrawn
            because of its lists, however often one looks.
        max_loss: Loss of the share of lists with an event, relative to the live
            version's, that ``canary`` accepts: it goes live when a larger loss is ruled
            out.
        max_harm: By how much the share of lists that fail, that are empty or that are
            slow may exceed the live version's: if it is significantly more, the version
            is withdrawn.
        slow_ms: From how many milliseconds on a list is slow.
        shadow_lists: Number of lists after which ``shadow`` goes live.
        max_days: After how many days an undecided trial ends.
        when_undecided: What happens then.
    """

    mode: _Mode = "at_once"
    share: Fraction = 0.1
    arms: Annotated[list[Text], Meta(min_length=2, max_length=2)] = msgspec.field(
        default_factory=lambda: ["champion", "challenger"]
    )
    alpha: Annotated[float, Meta(gt=0, le=0.5)] = 0.05
    max_loss: Fraction = 0.05
    max_harm: Fraction = 0.01
    slow_ms: Positive = 250.0
    shadow_lists: Count = 1000
    max_days: Positive = 7.0
    when_undecided: Literal["promote", "withdraw"] = "promote"

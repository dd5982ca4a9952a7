"""Types of settings: each states what is valid and describes it for error messages."""

import sys
from typing import Annotated, Any, Literal

from msgspec import Meta

from components.metric_names import GATED_LABEL_METRICS, GATED_RANKING_METRICS

SplitKind = Literal["leave_last_out", "temporal", "random"]
Repeats = Literal["latest", "first", "highest"]

# Keys of a mapping: strings to the type checker, one of the names to us.
Column = Annotated[
    str, Meta(extra={"names": ("user_id", "item_id", "rating", "timestamp")})
]
ItemColumn = Annotated[str, Meta(extra={"names": ("item_id", "title")})]
UserColumn = Annotated[str, Meta(extra={"names": ("user_id",)})]
Floor = Annotated[
    str, Meta(extra={"names": GATED_RANKING_METRICS + GATED_LABEL_METRICS})
]
Slice = Annotated[
    str,
    Meta(
        pattern="^(activity|user_.+)$",
        description="'activity', or a side feature of users, as 'user_gender'",
    ),
]
# A Meta's description is what an error says was expected.
Share = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
PartOfRatings = Annotated[
    float, Meta(gt=0, lt=1, description="a number above 0 and below 1")
]
Size = Annotated[
    float, Meta(ge=0, le=sys.float_info.max, description="a number, at least 0")
]
Hours = Annotated[
    float, Meta(gt=0, le=8760, description="a number of hours, above 0 and up to 8760")
]
Count = Annotated[int, Meta(ge=1, description="a whole number, at least 1")]
Seed = Annotated[
    int, Meta(ge=0, lt=2**31, description="a whole number from 0 to 2147483647")
]
Text = Annotated[str, Meta(min_length=1, description="text")]
Threshold = Annotated[
    str,
    Meta(
        pattern=r"^(all|>=? *-?\d+(\.\d+)?)$",
        description="'all', '> x' or '>= x' with a number x, in quotes",
    ),
]
Window = Annotated[
    str,
    Meta(
        pattern=r"^(all|[1-9]\d* (spans|days))$",
        description="'all', 'N spans' or 'N days'",
    ),
]
Negative = Annotated[
    str,
    Meta(
        pattern=r"^<=? *-?\d+(\.\d+)?$",
        description="'< x' or '<= x' with a number x, in quotes",
    ),
]
Address = Annotated[
    str, Meta(pattern=r"^[^\s:]+:\d+$", description="host:port, as 'localhost:8099'")
]
Workers = Annotated[
    str,
    Meta(
        pattern=r"^(loopback|[^\s:]+:\d+)$",
        description="'loopback', or host:port of worker pools",
    ),
]
Flag = Annotated[
    str, Meta(pattern="^--", description="a flag of Beam, as '--job_name=nightly'")
]
TEXT_TYPES = (
    Text,
    Text | None,
    Threshold,
    Negative | None,
    Window,
    Address,
    Workers,
    Flag,
)
# What a model's setting of a plain type may be; another bound stands as an Annotated
# type at the setting itself.
PLAIN_TYPES: dict[Any, Any] = {
    int: Count,
    float: Size,
    tuple[int, ...]: tuple[Count, ...],
    tuple[float, ...]: tuple[Size, ...],
}

"""Types of settings that are text; each states what is valid and describes it.

A ``Meta``'s description completes "expected ..." in an error message. Types of numbers,
which are described by their bounds, are in ``trainer_modules/configs/types.py``.
"""

from typing import Annotated

from msgspec import Meta

# Keys of a mapping: any string to the type checker, one of the names to the check.
Column = Annotated[
    str,
    Meta(extra={"names": ("user_id", "item_id", "rating", "timestamp", "event_type")}),
]
ItemColumn = Annotated[str, Meta(extra={"names": ("item_id", "title")})]
UserColumn = Annotated[str, Meta(extra={"names": ("user_id",)})]

Text = Annotated[str, Meta(min_length=1, description="text")]
Threshold = Annotated[
    str,
    Meta(
        pattern=r"^(all|>=? *-?\d+(\.\d+)?)\Z",
        description="'all', '> x' or '>= x' with a number x, in quotes",
    ),
]
Negative = Annotated[
    str,
    Meta(
        pattern=r"^<=? *-?\d+(\.\d+)?\Z",
        description="'< x' or '<= x' with a number x, in quotes",
    ),
]
Window = Annotated[
    str,
    Meta(
        pattern=r"^(all|[1-9]\d{0,8} (spans|days))\Z",
        description="'all', 'N spans' or 'N days'",
    ),
]
Address = Annotated[
    str,
    Meta(
        pattern=r"^[^\s:]+:\d{1,5}\Z", description="host:port, such as 'localhost:8099'"
    ),
]
Workers = Annotated[
    str,
    Meta(
        pattern=r"^(loopback|[^\s:]+:\d{1,5})\Z",
        description="'loopback', or host:port of worker pools",
    ),
]
Size = Annotated[
    str,
    Meta(
        pattern=r"^\d{1,9}(\.\d{1,9})? *[MG]B\Z",
        description="a size such as '8GB' or '500MB'",
    ),
]
Duration = Annotated[
    str,
    Meta(
        pattern=r"^[1-9]\d{0,5} *(s|m|h)\Z",
        description="a time such as '90s', '30m' or '2h'",
    ),
]
Days = Annotated[
    str,
    Meta(
        pattern=r"^[1-9]\d{0,5} *(s|m|h|d)\Z",
        description="a time such as '30m', '2h' or '1d'",
    ),
]
RecommendAgain = (
    bool
    | Annotated[
        str,
        Meta(
            pattern=r"^(never|after [1-9]\d{0,5} *(m|h|d))\Z",
            description="'never' or a time such as 'after 7d'",
        ),
    ]
)
Flag = Annotated[
    str,
    Meta(pattern="^--", description="a Beam flag such as '--job_name=nightly'"),
]
Database = Annotated[
    str,
    Meta(
        pattern=r"^(mysql|postgresql)://[^\s/:@]+(:\d{1,5})?/\w+\Z",
        description="mysql://host:port/database or postgresql://host:port/database, "
        "without an account",
    ),
]
HttpAddress = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/:@?#]+(:\d{1,5})?(/[^\s@?#]*)?\Z",
        description="http://host:port or https://host/path, without an account",
    ),
]
RegisteredName = Annotated[
    str,
    Meta(
        pattern=r"^[\w. -]+\Z", description="letters, digits, '_', '-', '.' or spaces"
    ),
]

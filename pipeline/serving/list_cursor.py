"""Where a list was interrupted, as a text that a client sends to continue it.

The server keeps nothing: the list is made again, and begins after what was listed. The
text is not a secret, and grants nothing: a client could send all of it in a request.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from pipeline.recommend.user_history import History
from pipeline.serving.errors import RequestError
from pipeline.serving.settings import MAX_POOL

MAX_LISTED = 10_000  # items of a list on all of its pages
_CHECKSUM = 8  # bytes
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, in seconds UTC


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The place after a page of a list.

    Attributes:
        user: ID of the user.
        version: Number of the model's version.
        at: Time of the first request, in seconds UTC.
        likes: IDs of the items that the user also likes.
        num_listed: Number of the items before this place.
        seen: Digest of the user's history and of these items.
        seed: Seed of the places that are drawn at random; 0 if none are.
        left: IDs of items that the draws passed over, and that are still to be listed:
            they are better than the last of those before this place.
    """

    user: str
    version: int
    at: Annotated[int, msgspec.Meta(ge=_FIRST, le=_LAST)]
    likes: list[str]
    num_listed: Annotated[int, msgspec.Meta(ge=0, lt=MAX_LISTED)] = 0
    seen: bytes = b""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    left: Annotated[list[str], msgspec.Meta(max_length=MAX_POOL)] = []

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Reads what ``text`` returned.

        Raises:
            RequestError: If it is something else (400).
        """
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            cursor = msgspec.msgpack.decode(packed[_CHECKSUM:], type=cls)
        except (ValueError, msgspec.MsgspecError):
            cursor = None
        if cursor is None or not hmac.compare_digest(
            cursor.text().encode(), text.encode("utf-8", "surrogatepass")
        ):
            raise RequestError(400, f"cursor={text[:20]!r} is not the 'next' of a list")
        return cursor

    def text(self) -> str:
        """Returns it as letters, digits, ``-`` and ``_``."""
        content = msgspec.msgpack.encode(self)
        checksum = hashlib.blake2b(content, digest_size=_CHECKSUM).digest()
        return base64.urlsafe_b64encode(checksum + content).decode().rstrip("=")

    def check(self, user: str, version: int) -> None:
        """Checks that it continues a list of a user with a version.

        Raises:
            RequestError: If it is another user's (400) or another version's (410).
        """
        if self.user != user:
            raise RequestError(400, "the cursor is of another user's list")
        if self.version != version:
            raise RequestError(
                410,
                f"the list was made with version {self.version}, and version {version} "
                "is live now: start again without the cursor",
            )

    def unlisted(self, item_ids: Sequence[str]) -> list[int]:
        """Returns the ranks of a list's items that are still to be listed."""
        end, left = self.num_listed + len(self.left), set(self.left)
        return [
            rank for rank, item in enumerate(item_ids) if rank >= end or item in left
        ]

    def check_seen(self, history: History, item_ids: Sequence[str]) -> None:
        """Checks that a list which was made again is the one to continue.

        Args:
            history: History that it was made of.
            item_ids: IDs of its items, best first.

        Raises:
            RequestError: If it is another one (410).
        """
        end, left = self.num_listed + len(self.left), set(self.left)
        before = [item for item in item_ids[:end] if item not in left]
        if self.num_listed and self.seen != _digest(history, before):
            raise RequestError(
                410,
                "the list is no longer the same, as after new ratings: start again "
                "without the cursor",
            )

    def after(
        self, history: History, item_ids: Sequence[str], page: Sequence[int]
    ) -> "Cursor":
        """Returns the place after a page.

        Args:
            history: History that the list was made of.
            item_ids: IDs of the list's items, best first.
            page: Ranks of the page's items, at least one.
        """
        unlisted = set(self.unlisted(item_ids)) - set(page)
        end = max(self.num_listed + len(self.left), max(page) + 1)
        listed = [item_ids[rank] for rank in range(end) if rank not in unlisted]
        return msgspec.structs.replace(
            self,
            num_listed=len(listed),
            seen=_digest(history, listed),
            left=[item_ids[rank] for rank in range(end) if rank in unlisted],
        )


def _digest(history: History, listed: Sequence[str]) -> bytes:
    """Returns a digest of a history and of a set of items.

    Their order does not matter: in a batch of another size, scores may be rounded in
    another way, so that almost equal ones change places within a page.
    """
    numbers = (
        np.asarray(history.ratings, np.float32).tobytes(),
        np.asarray(history.times, np.int64).tobytes(),
    )
    texts = (history.items, history.features, history.event_types, sorted(listed))
    content = msgspec.msgpack.encode((*numbers, *texts))
    return hashlib.blake2b(content, digest_size=_CHECKSUM).digest()

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

from pipeline.recommend.user_history import History
from pipeline.serving.errors import RequestError

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
    """

    user: str
    version: int
    at: Annotated[int, msgspec.Meta(ge=_FIRST, le=_LAST)]
    likes: list[str]
    num_listed: Annotated[int, msgspec.Meta(ge=0, lt=MAX_LISTED)] = 0
    seen: bytes = b""

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

    def check_seen(self, history: History, before: Sequence[str]) -> None:
        """Checks that a list which was made again is the one to continue.

        Args:
            history: History that it was made of.
            before: IDs of its items before this place.

        Raises:
            RequestError: If it is another one (410).
        """
        if self.num_listed and self.seen != _digest(history, before):
            raise RequestError(
                410,
                "the list is no longer the same, as after new ratings: start again "
                "without the cursor",
            )

    def after(self, history: History, listed: Sequence[str]) -> "Cursor":
        """Returns the place after the items that have been listed so far."""
        return msgspec.structs.replace(
            self, num_listed=len(listed), seen=_digest(history, listed)
        )


def _digest(history: History, listed: Sequence[str]) -> bytes:
    """Returns a digest of a history and of a set of items.

    Their order does not matter: in a batch of another size, scores may be rounded in
    another way, so that almost equal ones change places within a page.
    """
    content = msgspec.msgpack.encode((history, sorted(listed)))
    return hashlib.blake2b(content, digest_size=_CHECKSUM).digest()

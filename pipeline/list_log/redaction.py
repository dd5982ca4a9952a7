"""What is not logged of a list, by the settings of the server.

Users are replaced by a keyed hash, so that their lists can still be joined, compared
and forgotten on this machine, where the key is. Everything else is left out.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components import durable_files
from pipeline.list_log.shown import Shown

KEY_FILE = "list_log.key"  # in the folder of runs
USER, HISTORY, FEATURES, FILTERS = FIELDS = ("user", "history", "features", "filters")
_LEFT_OUT = {
    HISTORY: ("history_items", "history_ratings", "history_times", "history_types"),
    FEATURES: ("user_features",),
    FILTERS: ("excluded", "filters"),
}


class UserHash:
    """The keyed hash of a folder of runs."""

    def __init__(self, key: bytes):
        self._key = key

    @classmethod
    def existing(cls, out: Path) -> "UserHash | None":
        """Returns the hash of a folder of runs; None if it has no key.

        Raises:
            OSError: If the key cannot be read.
        """
        path = out / KEY_FILE
        return cls(path.read_bytes()) if path.exists() else None

    @classmethod
    def of(cls, out: Path) -> "UserHash":
        """Returns the hash of a folder of runs, whose key is made if it has none.

        Raises:
            OSError: If the key cannot be read or written.
        """
        path = out / KEY_FILE
        made = durable_files.unfinished_beside(path)
        if not path.exists():
            file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(file, "wb") as key:
                key.write(secrets.token_bytes(32))
            # A link does not replace the key of another server that has just started.
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
            made.unlink()
        return cls(path.read_bytes())

    def __call__(self, user: str) -> str:
        """Returns what is logged in place of the ID of a user."""
        digest = hmac.digest(self._key, user.encode(), hashlib.sha256)
        return f"hmac:{digest.hex()[:32]}"


def names_in_lists(out: Path) -> Callable[[str], Sequence[str]]:
    """Returns a function of a user's ID: the texts that lists may have in its place.

    Args:
        out: Folder of the runs.

    Raises:
        OSError: If the key of the hash cannot be read.
    """
    user_hash = UserHash.existing(out)
    if user_hash is None:
        return lambda user: (user,)
    return lambda user: (user, user_hash(user))


class Redaction:
    """Leaves fields out of lists."""

    def __init__(self, out: Path, fields: Sequence[str]):
        """Reads or makes the key if users are hashed.

        Args:
            out: Folder of the runs.
            fields: Some of ``FIELDS``.

        Raises:
            OSError: If the key cannot be read or written.
        """
        self._fields = tuple(field for field in FIELDS if field in fields)
        self._hash = UserHash.of(out) if USER in fields else None
        self._left_out: dict[str, Any] = {
            name: () for field in fields for name in _LEFT_OUT.get(field, ())
        }

    def of(self, page: Shown) -> Shown:
        """Returns a page without the fields, which it names."""
        if not self._fields:
            return page
        user = self._hash(page.user) if self._hash else page.user
        return page._replace(user=user, redacted=self._fields, **self._left_out)

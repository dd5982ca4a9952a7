"""Fields are left out of the log, and users are hashed by a key of the folder."""

import hashlib
import hmac
import os

import pyarrow.parquet as pq
import pytest

from pipeline.list_log.files import FILES, ListLog
from pipeline.list_log.redaction import FIELDS, Redaction, UserHash
from tests.support import logged_page

PAGE = logged_page.page("ann", ["i1"], ["i2"])._replace(
    user_features=("user_city=Oslo",),
    excluded=("i3",),
    filters=("genres:Drama",),
    history_times=(5,),
    history_types=("view",),
)
HISTORY = ("history_items", "history_ratings", "history_times", "history_types")


def changed(fields, tmp_path):
    """The columns that differ from those of the page."""
    redacted = Redaction(tmp_path, fields).of(PAGE)
    return {
        name: new
        for name, old, new in zip(PAGE._fields, PAGE, redacted, strict=True)
        if old != new
    }


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("history", HISTORY),
        ("features", ("user_features",)),
        ("filters", ("excluded", "filters")),
    ],
)
def test_a_field_is_left_out_and_named(tmp_path, field, names):
    assert changed([field], tmp_path) == {
        **dict.fromkeys(names, ()),
        "redacted": (field,),
    }
    assert not (tmp_path / "list_log.key").exists()


def test_users_are_hashed_by_a_key_that_only_the_owner_can_read(tmp_path):
    hashed = changed(["user"], tmp_path)["user"]
    path = tmp_path / "list_log.key"
    key = path.read_bytes()
    digest = hmac.new(key, b"ann", hashlib.sha256).hexdigest()
    assert hashed == f"hmac:{digest[:32]}"
    assert (len(key), path.stat().st_mode & 0o777) == (32, 0o600)
    assert changed(["user"], tmp_path)["user"] == hashed  # the key is kept
    assert UserHash.existing(tmp_path)("ann") == hashed
    assert [each.name for each in tmp_path.iterdir()] == ["list_log.key"]


def test_a_killed_server_keeps_no_later_one_from_making_the_key(tmp_path):
    """In a container, the next server has the process ID of the one before."""
    (tmp_path / f".list_log.key-{os.getpid()}").touch()
    assert changed(["user"], tmp_path)["user"].startswith("hmac:")


def test_another_folder_has_another_key(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    one, other = (changed(["user"], tmp_path / name)["user"] for name in "ab")
    assert one != other


def test_without_fields_nothing_changes(tmp_path):
    assert changed([], tmp_path) == {}
    assert UserHash.existing(tmp_path) is None


def test_the_log_has_no_trace(tmp_path):
    log = ListLog(tmp_path, 1.0, [].append, [].append, FIELDS)
    log.add(PAGE)
    log.close()
    [path] = (tmp_path / "lists").glob(FILES)
    [row] = pq.read_table(path).to_pylist()
    assert row["redacted"] == list(FIELDS)
    assert row["items"] == ["i1"]
    text = repr(row)
    for secret in ("ann", "i2", "i3", "Oslo", "Drama", "view"):
        assert secret not in text

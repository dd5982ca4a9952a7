"""A store that is damaged, locked or killed over; SQLite itself is the oracle."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from components import durable_files
from components.live_models import push
from pipeline.runs.metadata_store import (
    BACKUP_FILE,
    METADATA_FILE,
    MetadataError,
    open_database,
    open_metadata,
    prepare,
    restore,
)
from tests.support.metadata_store import StoreWriter
from trainer_modules import features as f


@pytest.fixture
def out(tmp_path):
    """A folder whose store has one row, after the run that wrote it."""
    prepare(tmp_path)
    write(tmp_path, 1)
    return tmp_path


def write(out, number):
    with contextlib.closing(sqlite3.connect(out / METADATA_FILE)) as store, store:
        store.execute("CREATE TABLE IF NOT EXISTS runs (number INTEGER)")
        store.execute("INSERT INTO runs VALUES (?)", [number])


def rows(path):
    with contextlib.closing(sqlite3.connect(path)) as store:
        return [number for [number] in store.execute("SELECT number FROM runs")]


def damage(path):
    content = bytearray(path.read_bytes())
    content[100:1000] = b"\xff" * 900
    path.write_bytes(content)


def test_the_copy_is_of_what_was_there_before_the_run(out):
    assert not (out / BACKUP_FILE).exists()
    prepare(out)
    write(out, 2)
    assert rows(out / METADATA_FILE) == [1, 2]
    assert rows(out / BACKUP_FILE) == [1]
    prepare(out)
    assert rows(out / BACKUP_FILE) == [1, 2]


def artifacts(out, *uris):
    """Puts artifacts in the store, as ML Metadata does."""
    with contextlib.closing(sqlite3.connect(out / METADATA_FILE)) as store, store:
        store.execute("CREATE TABLE IF NOT EXISTS Artifact (type_id INT, uri TEXT)")
        rows = [[1, uri] for uri in uris]
        store.executemany("INSERT INTO Artifact (type_id, uri) VALUES (?, ?)", rows)


def uris(out):
    with contextlib.closing(sqlite3.connect(out / METADATA_FILE)) as store:
        return [
            uri for [uri] in store.execute("SELECT uri FROM Artifact ORDER BY rowid")
        ]


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_folder_that_was_moved_has_its_artifacts_where_it_is(tmp_path, how):
    old, new = tmp_path / "it's 100%_old", tmp_path / "new"
    places = ["artifacts/Trainer_m/model/3", "artifacts/Champion/decided/12"]
    for place in places:
        (old / place).mkdir(parents=True)
    assert prepare(old) is None
    artifacts(old, *(str(old / place) for place in places), "s3://a/artifacts/A/b/1")
    assert prepare(old) is None
    assert uris(old)[0] == str(old / places[0])
    if how == "moved":
        old.rename(new)
    else:
        shutil.copytree(old, new)
    assert prepare(new) == old
    assert uris(new) == [*(str(new / p) for p in places), "s3://a/artifacts/A/b/1"]
    assert prepare(new) is None
    if how == "copied":  # the one that was copied is left alone
        assert uris(old)[0] == str(old / places[0])


def test_another_name_of_the_same_folder_is_no_move(tmp_path):
    out, link = tmp_path / "out", tmp_path / "link"
    (out / "artifacts").mkdir(parents=True)
    link.symlink_to(out)
    prepare(out)
    artifacts(out, str(out / "artifacts/Trainer_m/model/3"))
    assert prepare(link) is None
    assert uris(link) == [str(out / "artifacts/Trainer_m/model/3")]


def test_a_store_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    out = tmp_path / "out % it's"
    written = StoreWriter(out).artifact("Trainer_m/model/3")
    prepare(out)  # in write-ahead mode
    before = sorted(out.iterdir())
    # Root may write wherever it is not the file system that is read-only.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    store = open_metadata(out / METADATA_FILE)
    assert [artifact.uri for artifact in store.get_artifacts()] == [written.uri]
    assert sorted(out.iterdir()) == before


def test_others_read_while_a_run_writes(out):
    prepare(out)
    with contextlib.closing(sqlite3.connect(out / METADATA_FILE)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO runs VALUES (2)")
        assert rows(out / METADATA_FILE) == [1]


def test_a_damaged_store_stops_the_run_and_leaves_the_copy(out):
    prepare(out)
    write(out, 2)
    damage(out / METADATA_FILE)
    with pytest.raises(MetadataError, match="doctor --restore"):
        prepare(out)
    assert rows(out / BACKUP_FILE) == [1]


def test_restore_puts_the_copy_back_and_keeps_what_was_there(out):
    prepare(out)
    write(out, 2)
    damage(out / METADATA_FILE)
    damaged = (out / METADATA_FILE).read_bytes()
    kept = restore(out)
    assert kept.read_bytes() == damaged
    assert rows(out / METADATA_FILE) == [1]
    prepare(out)
    write(out, 3)
    assert rows(out / METADATA_FILE) == [1, 3]


def test_restore_never_mixes_one_store_with_the_log_of_another(out):
    prepare(out)
    # Killed in the middle: what was committed is in the log alone.
    code = (
        "import os, signal, sqlite3, sys\n"
        "store = sqlite3.connect(sys.argv[1])\n"
        "store.execute('INSERT INTO runs VALUES (2)')\n"
        "store.commit()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = out / METADATA_FILE
    killed = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert os.path.getsize(f"{path}-wal") > 0
    kept = restore(out)
    assert rows(path) == [1]
    assert rows(kept) == [1, 2]


def test_nothing_that_was_committed_is_lost_with_the_process(out):
    code = (
        "import os, signal, sqlite3, sys\n"
        "store = sqlite3.connect(sys.argv[1])\n"
        "store.execute('INSERT INTO runs VALUES (2)')\n"
        "store.commit()\n"
        "store.execute('INSERT INTO runs VALUES (3)')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = out / METADATA_FILE
    subprocess.run([sys.executable, "-c", code, path], check=False)
    prepare(out)
    assert rows(path) == rows(out / BACKUP_FILE) == [1, 2]


def test_without_a_copy_there_is_nothing_to_put_back(out):
    with pytest.raises(MetadataError, match=f"no .*{BACKUP_FILE}"):
        restore(out)
    assert rows(out / METADATA_FILE) == [1]


def test_a_damaged_copy_is_not_put_back(out):
    prepare(out)
    damage(out / BACKUP_FILE)
    with pytest.raises(MetadataError, match="damaged too"):
        restore(out)
    assert rows(out / METADATA_FILE) == [1]


def test_a_store_that_another_process_keeps_locked_is_told(out):
    with contextlib.closing(sqlite3.connect(out / METADATA_FILE)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("INSERT INTO runs VALUES (2)")
        with pytest.raises(MetadataError, match="locked.* End the process"):
            prepare(out)


def test_ml_metadata_reads_and_writes_such_a_store(tmp_path):
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    from pipeline.runs.metadata_store import open_metadata

    prepare(tmp_path)
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(tmp_path / METADATA_FILE)
    MetadataStore(config).put_artifact_type(mlmd.ArtifactType(name="Model"))
    prepare(tmp_path)
    for name in (METADATA_FILE, BACKUP_FILE):
        [found] = open_metadata(tmp_path / name).get_artifact_types()
        assert found.name == "Model"
    with contextlib.closing(sqlite3.connect(tmp_path / METADATA_FILE)) as store:
        assert store.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (sqlite3.OperationalError("database or disk is full"), MetadataError),
        (OSError(28, "No space left on device"), OSError),
    ],
)
def test_a_disk_that_is_full_for_the_copy_is_injected_and_nothing_is_lost(
    out, monkeypatch, fault, error
):
    prepare(out)
    write(out, 2)

    def full(*_):
        raise fault

    with monkeypatch.context() as injected:
        name = "move" if error is OSError else "replacing"
        injected.setattr(durable_files, name, full)
        with pytest.raises(error, match="Make room|No space left") as caught:
            prepare(out)
    assert "doctor --restore" not in str(caught.value)
    assert rows(out / METADATA_FILE) == [1, 2]
    assert rows(out / BACKUP_FILE) == [1]
    assert not list(out.glob(".unfinished-*"))
    prepare(out)
    assert rows(out / BACKUP_FILE) == [1, 2]


def next_execution(out):
    """The number that ML Metadata itself gives the next execution."""
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(out / METADATA_FILE)
    store = MetadataStore(config)
    type_id = store.put_execution_type(mlmd.ExecutionType(name="Trainer"))
    [number] = store.put_executions([mlmd.Execution(type_id=type_id)])
    return number


def test_a_store_begun_anew_does_not_name_another_model_like_the_live_one(tmp_path):
    prepare(tmp_path)
    assert next_execution(tmp_path) == 1
    model = tmp_path / "model"
    (model / "assets.extra").mkdir(parents=True)
    card = {"model": "gmf", "origin": "Trainer_gmf/model/7", "parameters": 1}
    (model / f.CARD_FILE).write_text(json.dumps(card))
    push.push(model, tmp_path / "live", keep=5)
    (tmp_path / METADATA_FILE).unlink()
    prepare(tmp_path)
    assert next_execution(tmp_path) == 8


def test_a_store_that_was_put_back_goes_on_behind_the_lost_run(tmp_path):
    prepare(tmp_path)
    assert next_execution(tmp_path) == 1
    prepare(tmp_path)  # makes the copy
    assert next_execution(tmp_path) == 2
    (tmp_path / "artifacts/Trainer_gmf/model/2").mkdir(parents=True)
    restore(tmp_path)
    prepare(tmp_path)
    assert next_execution(tmp_path) == 3


@pytest.mark.parametrize(
    "address", ["localhost", "mysql://host", "mysql://me:secret@host/db", "sqlite:///a"]
)
def test_an_address_that_is_none_of_a_database_is_named(address):
    with pytest.raises(RuntimeError, match="expected mysql://host:port/database"):
        open_database(address)

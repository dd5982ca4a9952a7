"""What `marquee clean` lists and removes; ML Metadata itself writes the store."""

import errno
import json
import os
import time

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.runs import lock

STATES = {
    1: mlmd.Execution.COMPLETE,
    2: mlmd.Execution.RUNNING,
    3: mlmd.Execution.FAILED,
    4: mlmd.Execution.CACHED,  # of the first one's output
}
HALF_WRITTEN = {
    "runs/20260101-000000/.unfinished-0",
    ".unfinished-1",
    "lists/.unfinished-2",
}
LEFT = HALF_WRITTEN | {
    "artifacts/Trainer/model/2",
    "artifacts/Trainer/model/3",
    "artifacts/Trainer/model/9",  # that no execution names
    "artifacts/Trainer/.system/executor_execution/2",
    "artifacts/Trainer/.system/executor_execution/3",
    "artifacts/Trainer/.system/stateful_working_dir/20260101-000000",
    "live/.unfinished-0",
    "tmp/beam-temp",
}
KEPT = {
    "artifacts/Trainer/model/1",
    "artifacts/Trainer/.system/executor_execution/1",
    "live/1",
    "live/2",
    "runs/20260101-000000/run.log",
    "lists/.unfinished-3",  # to which a server writes
}


@pytest.fixture
def out(tmp_path, pushed):
    """A folder of runs, one of which was killed."""
    out = tmp_path / "marquee-out"
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(out / "metadata.sqlite")
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    store = MetadataStore(config)
    step = store.put_execution_type(mlmd.ExecutionType(name="Trainer"))
    model = store.put_artifact_type(mlmd.ArtifactType(name="Model"))
    for number, state in STATES.items():
        [execution] = store.put_executions(
            [mlmd.Execution(type_id=step, last_known_state=state)]
        )
        assert execution == number
        if state != mlmd.Execution.CACHED:
            uri = str(out / f"artifacts/Trainer/model/{number}")
            [artifact] = store.put_artifacts([mlmd.Artifact(type_id=model, uri=uri)])
        else:
            artifact = 1
        event = mlmd.Event(artifact_id=artifact, execution_id=execution)
        event.type = mlmd.Event.OUTPUT
        store.put_events([event])
    for name in LEFT | KEPT:
        path = out / name
        if path.suffix == ".log" or name in HALF_WRITTEN:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * 100)
        elif not path.exists():
            path.mkdir(parents=True)
            (path / "file").write_bytes(b"x" * 100)
    hour_ago = time.time() - 3600
    os.utime(out / "lists/.unfinished-2", (hour_ago, hour_ago))
    return out


def there(out):
    return {name for name in LEFT | KEPT if (out / name).exists()}


def test_it_lists_and_touches_nothing(marquee, out):
    told = marquee("clean", "--json")
    assert told.status == 0
    found = {entry["path"]: entry["size"] for entry in json.loads(told.out)}
    assert found == {f"marquee-out/{name}": 100 for name in LEFT}
    assert there(out) == LEFT | KEPT
    told = marquee("clean")
    assert "marquee clean --yes" in told.out
    assert there(out) == LEFT | KEPT


def test_it_removes_what_it_listed_and_nothing_else(marquee, out):
    assert marquee("clean", "--yes").status == 0
    assert there(out) == KEPT
    assert json.loads(marquee("clean", "--json").out) == []


def test_while_a_run_is_at_work_it_is_refused(marquee, out):
    with lock.one_run(out) as (run_id, _):
        told = marquee("clean", "--yes")
    assert told.status == 7
    assert run_id in told.err
    assert there(out) == LEFT | KEPT


def test_without_the_store_nothing_is_removed(marquee, out):
    (out / "metadata.sqlite").unlink()
    told = marquee("clean", "--yes")
    assert told.status == 2
    assert "doctor --restore" in told.err
    assert there(out) == LEFT | KEPT


def test_a_folder_that_is_not_there_is_not_made(marquee, tmp_path):
    told = marquee("clean", "--out", "nowhere")
    assert told.status == 2
    assert "nowhere" in told.err
    assert not (tmp_path / "nowhere").exists()


def test_temporary_files_of_a_run_are_in_its_folder(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with lock.one_run(tmp_path / "out"):
        inside = tempfile.mkdtemp()
    assert inside.startswith(str(tmp_path / "out" / "tmp"))
    assert tempfile.gettempdir() == str(tmp_path)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_cannot_be_removed_is_named_and_all_else_is_removed(
    marquee, out, monkeypatch, options
):
    """Root may remove everything: the refusal is injected at the system call."""
    kept = {
        f"{out}/{name}" for name in ("artifacts/Trainer/model/2", "live/.unfinished-0")
    }
    (out / "artifacts/Trainer/model/2/other").write_bytes(b"x" * 100)
    unlink = os.unlink

    def refused(path, *, dir_fd=None):
        folder = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd else ""
        if folder in kept and path == "file":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refused)
    told = marquee("clean", "--yes", *options)
    assert told.status == 6
    left = {"artifacts/Trainer/model/2", "live/.unfinished-0"}
    assert there(out) == KEPT | left
    assert not (out / "artifacts/Trainer/model/2/other").exists()
    for name in left:
        assert f"marquee-out/{name}: Permission denied" in told.err
        assert f"marquee-out/{name}/file" in told.err
    assert "Everything else was removed" in told.err
    if options:
        problems = {e["path"]: e["problem"] for e in json.loads(told.out)}
        assert {p for p, problem in problems.items() if problem} == {
            f"marquee-out/{name}" for name in left
        }
        assert set(problems) == {f"marquee-out/{name}" for name in LEFT}
    else:  # what stays is not counted as removed; each of the others has 100 bytes
        assert f"Removed: {(len(LEFT) - len(left)) * 100 / 1e6:.2f} MB" in told.out
    monkeypatch.undo()
    monkeypatch.chdir(out.parent)
    assert marquee("clean", "--yes").status == 0
    assert there(out) == KEPT

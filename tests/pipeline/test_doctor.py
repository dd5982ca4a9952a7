import io
import sqlite3

import pytest

from pipeline import doctor
from pipeline.doctor import Check
from pipeline.views.terminal import open_console
from pipeline.views.terminal.checks import print_checks


def test_packages_as_pinned_are_fine_and_others_are_named():
    assert doctor.check_packages(["pytest>=1", "rich"]) == Check(
        "packages", "ok", "all 2 as pinned"
    )
    check = doctor.check_packages(["pytest==0.1", "no-such-package==1", "rich"])
    assert check.state == "fail"
    assert "pytest is " in check.text
    assert ", not ==0.1" in check.text
    assert "no-such-package is missing" in check.text
    assert "rich" not in check.text


def test_a_requirement_for_another_machine_is_not_asked_for():
    requirements = ['no-such-package; extra == "gpu"', "rich"]
    assert doctor.check_packages(requirements).text == "all 1 as pinned"


def test_what_is_installed_is_what_the_lock_says():
    requirements = doctor._requirements()
    assert "tfx==1.15.1" in requirements
    assert len(requirements) > 200
    assert doctor.check_packages(requirements).state == "ok"


def test_a_folder_that_cannot_be_written_to_fails(tmp_path):
    assert doctor.check_writable("out", tmp_path / "new" / "out").state == "ok"
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    check = doctor.check_writable("out", file / "out")
    assert check.state == "fail"
    assert str(file) in check.text


def test_little_memory_or_disk_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "MIN_MEMORY", 1e18)
    monkeypatch.setattr(doctor, "MIN_DISK", 1e18)
    assert doctor.check_memory().state == "warn"
    assert doctor.check_disk(tmp_path / "new").state == "warn"


def test_a_metadata_store_is_opened_but_not_made(tmp_path):
    database = tmp_path / "metadata.sqlite"
    assert doctor.check_metadata_store(database).state == "ok"
    assert not database.exists()


def test_a_metadata_store_with_runs_is_read_and_left_as_it_was(tmp_path):
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    database = tmp_path / "metadata.sqlite"
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    store = metadata_store.MetadataStore(config)
    trainer = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Trainer"))
    store.put_executions([metadata_store_pb2.Execution(type_id=trainer)] * 2)
    del store
    before = database.read_bytes()
    check = doctor.check_metadata_store(database)
    assert (check.state, check.text) == (
        "ok",
        f"{database} opens, 2 executions recorded",
    )
    assert database.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database" * 100, None])
def test_a_broken_metadata_store_fails_and_the_other_checks_go_on(
    tmp_path, monkeypatch, content
):
    database = tmp_path / "metadata.sqlite"
    if content is None:
        with sqlite3.connect(database) as other:
            other.execute("CREATE TABLE other (id INTEGER)")
    else:
        database.write_bytes(content)
    # TensorFlow takes seconds, and is not what this looks at.
    monkeypatch.setattr(
        doctor, "check_tensorflow", lambda: Check("TensorFlow", "ok", "")
    )
    checks = {check.name: check for check in doctor.examine(tmp_path)}
    assert len(checks) == 11
    assert checks["metadata store"].state == "fail"
    assert checks["output folder"].state == "ok"


@pytest.mark.parametrize(("state", "healthy"), [("warn", True), ("fail", False)])
def test_only_a_failure_makes_the_machine_unfit(state, healthy):
    file = io.StringIO()
    checks = [Check("a", state, "why\x1b[31m not"), Check("b", "ok", "fine " * 30)]
    assert print_checks(open_console(file, width=80), checks) is healthy
    lines = file.getvalue().splitlines()
    assert lines[0].split() == [state, "a", r"why\x1b[31m", "not"]
    assert max(map(len, lines)) <= 80

"""What a data folder may contain, and input files on other filesystems."""

import os
import socket
import subprocess
import sys

import pytest

from components.ratings_example_gen import files
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.inspection import inspect_path
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.find import find_side_files

ROWS = "user_id,item_id,rating\nu1,i1,4\n"
READ_REMOTE = """
from components.ratings_example_gen import files

files.exists("s4://ratings/ratings.csv")
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with one good file."""
    path = tmp_path / "data"
    path.mkdir()
    (path / "ratings.csv").write_text(ROWS)
    return path


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)  # a socket's path is at most 107 bytes long
        listener.bind(path.name)


def make_device(path):
    path.symlink_to("/dev/null")


def make_broken_link(path):
    path.symlink_to("nowhere.csv")


def make_loop(path):
    path.symlink_to(path.name)


SPECIAL = [
    (make_fifo, r"a named pipe \(FIFO\)"),
    (make_socket, "a socket"),
    (make_device, "a character device"),
    (make_broken_link, "a broken symbolic link to nowhere.csv"),
    (make_loop, "a loop of symbolic links"),
]
special = pytest.mark.parametrize(
    ("make", "said"), SPECIAL, ids=[make.__name__ for make, _ in SPECIAL]
)


@special
@pytest.mark.parametrize("name", ["more.csv", "more.zip", "deep/more.parquet", "any"])
@pytest.mark.timeout(60)  # an opened pipe would block for ever
def test_what_is_not_a_file_is_refused_by_name(folder, monkeypatch, make, said, name):
    monkeypatch.chdir(folder)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    for pattern in ("", "*"):
        with pytest.raises(BadInputError, match=said) as caught:
            files.list_files(str(folder), pattern)
        assert str(path) in str(caught.value)


@special
@pytest.mark.timeout(60)
def test_nor_is_it_opened_when_it_is_named(folder, monkeypatch, make, said):
    monkeypatch.chdir(folder)
    path = folder / "more.csv"
    make(path)
    with pytest.raises(BadInputError, match=said):
        inspect_path(path)
    with pytest.raises(BadInputError, match=said):
        inspect_path(folder / "ratings.csv", Settings(users=str(path)))
    with pytest.raises(BadInputError, match=said):
        find_side_files([], (), Settings(items=str(path)))
    with pytest.raises(BadInputError, match=said):
        files.list_folder(str(folder))


def test_a_link_to_a_folder_above_is_refused(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "back").symlink_to(folder)
    with pytest.raises(BadInputError, match="a folder that contains it") as caught:
        files.list_files(str(folder))
    assert str(folder / "deep" / "back") in str(caught.value)


def test_links_to_files_and_folders_are_followed(folder, tmp_path):
    """As Kubernetes mounts files of a ConfigMap or a Secret."""
    mounted = tmp_path / "mounted"
    (mounted / "..data").mkdir(parents=True)
    (mounted / "..data" / "ratings.csv").write_text(ROWS)
    (mounted / "ratings.csv").symlink_to("..data/ratings.csv")
    (mounted / "deep").mkdir()
    (mounted / "deep" / "more").symlink_to(folder)
    assert files.list_files(str(mounted)) == [
        str(mounted / "deep" / "more" / "ratings.csv"),
        str(mounted / "ratings.csv"),
    ]


def test_hidden_names_are_left_out_unless_they_are_named(folder):
    for name in ("_SUCCESS", "_temporary/part.csv", ".crc/x.csv", "deep/_x.csv"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(ROWS)
    for pattern in ("", "*"):
        assert files.list_files(str(folder), pattern) == [str(folder / "ratings.csv")]
    named = str(folder / "deep" / "_x.csv")
    assert files.list_files(named) == [named]
    assert files.list_files(str(folder / "deep"), "_x.csv") == [named]
    hidden = str(folder / "_temporary" / "part.csv")
    assert files.list_files(str(folder / "_temporary")) == [hidden]


@pytest.fixture
def ordinary_user():
    """Permissions bind: root gives up its rights for the test."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("name", ["ratings.csv", "deep"])
def test_missing_permissions_are_said(folder, monkeypatch, request, name):
    (folder / "deep").mkdir()
    (folder / name).chmod(0)
    folder.chmod(0o755)
    monkeypatch.chdir(folder)  # no user may search the folders above
    request.getfixturevalue("ordinary_user")

    def open_all():
        for path in files.list_files("."):
            files.open_binary(path).close()

    with pytest.raises(BadInputError, match="permission denied") as caught:
        open_all()
    assert f"./{name}" in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInputError, match="no such file or folder"):
        files.open_binary(str(tmp_path / "gone.csv"))


def test_a_store_that_beam_does_not_have_is_reported():
    done = subprocess.run(
        [sys.executable, "-c", READ_REMOTE], capture_output=True, text=True, check=False
    )
    assert "Unable to get filesystem" in done.stderr


def test_of_google_s_store_only_a_missing_key_is_tested(monkeypatch, tmp_path):
    """There is none here, so reading objects of ``gs://`` has not been executed."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(BadInputError, match=r"gs://data/log.csv.*key\.json.*not found"):
        files.exists("gs://data/log.csv")


def test_neighbours_are_files_and_nothing_else(folder):
    make_fifo(folder / "pipe.csv")
    (folder / "below").mkdir()
    (folder / "items.csv").write_text("item_id\n1\n")
    (folder / "_SUCCESS").touch()
    found = files.neighbours(str(folder / "ratings.csv"))
    assert found == [str(folder / "items.csv")]

import os
import pwd
from pathlib import Path

import pytest

from components.ratings_example_gen import BadInputError
from pipeline import datasets
from pipeline.datasets import sample


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MARQUEE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("MARQUEE_DATA_DIR", raising=False)
    return tmp_path / "cache"


def state(folder):
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
    }


def test_sample_is_written_once_and_left_alone(cache, reported):
    first = datasets.resolve("sample", reported)
    before = state(first.folder)

    again = datasets.resolve("sample", reported)

    assert first == again
    assert first.name == "sample"
    assert first.folder.parent == cache
    assert state(again.folder) == before
    assert [path.name for path in cache.iterdir()] == [first.folder.name]

    (first.folder / "ratings.dat").write_bytes(b"1::1::5::978300760\n")  # damaged
    datasets.resolve("sample", reported)

    whole = {name: content for name, (content, _) in before.items()}
    assert {
        name: content for name, (content, _) in state(first.folder).items()
    } == whole


def test_another_version_of_the_sample_replaces_it(cache, reported, monkeypatch):
    written = []
    monkeypatch.setattr(sample, "write_sample", written.append)
    monkeypatch.setattr(sample, "is_whole", lambda folder: folder.exists())
    old = datasets.resolve("sample", reported).folder
    datasets.resolve("sample", reported)
    assert len(written) == 1

    monkeypatch.setattr(sample, "VERSION", sample.VERSION + 1)
    new = datasets.resolve("sample", reported).folder

    assert len(written) == 2
    assert new != old


def test_names_are_those_of_the_command_line():
    expected = "sample ml-100k ml-1m ml-10m ml-20m ml-25m ml-32m"
    assert " ".join(datasets.NAMES) == expected


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_path_is_taken_as_it_is(tmp_path, reported, kind, monkeypatch):
    path = tmp_path / "mine"
    path.mkdir() if kind == "folder" else path.write_text("u,i\n")
    monkeypatch.chdir(tmp_path)

    for source in (str(path), "mine", "./mine"):
        assert datasets.resolve(source, reported) == datasets.Dataset("mine", path)


def test_path_that_is_a_name_too_needs_a_dot(tmp_path, reported, monkeypatch, cache):
    (tmp_path / "sample").mkdir()
    monkeypatch.chdir(tmp_path)

    assert datasets.resolve("./sample", reported).folder == tmp_path / "sample"
    assert datasets.resolve("sample", reported).folder.parent == cache


@pytest.mark.parametrize(
    ("source", "nearest"),
    [("ml-1n", "ml-1m"), ("ML-1M", "ml-1m"), ("smaple", "sample"), ("ml25m", "ml-25m")],
)
def test_typo_is_answered_with_the_nearest_name(reported, source, nearest):
    with pytest.raises(datasets.DatasetError, match=f"Did you mean {nearest}[?]"):
        datasets.resolve(source, reported)


@pytest.mark.parametrize("source", ["./absent", "absent.csv", "~/absent-folder", ""])
def test_absent_path_is_named_with_what_is_possible(reported, source):
    with pytest.raises(
        datasets.DatasetError, match="no such.* ml-1m.*path|path.*ml-1m"
    ):
        datasets.resolve(source, reported)


def test_unwritable_cache_is_named(tmp_path, reported, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MARQUEE_CACHE_DIR", str(tmp_path / "file" / "cache"))

    with pytest.raises(datasets.DatasetError, match="MARQUEE_CACHE_DIR"):
        datasets.resolve("sample", reported)


def test_movielens_at_hand_is_found_by_the_environment(
    cache, tmp_path, reported, monkeypatch
):
    at_hand = tmp_path / "data" / "ml-20m"
    at_hand.mkdir(parents=True)
    for file in ("ratings.csv", "movies.csv"):
        (at_hand / file).write_text("header\n")
    monkeypatch.setenv("MARQUEE_DATA_DIR", os.path.relpath(tmp_path / "data"))

    found = datasets.resolve("ml-20m", reported)

    assert found.name == "ml-20m"
    assert found.folder.is_absolute()
    assert found.folder.samefile(at_hand)
    assert Path(cache).exists() is False


@pytest.mark.timeout(60)  # an opened pipe would block for ever
def test_a_path_that_is_neither_folder_nor_file_is_refused(tmp_path, reported):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(BadInputError, match="pipe.csv: this is a named pipe"):
        datasets.resolve(str(tmp_path / "pipe.csv"), reported)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(BadInputError, match="link: this is a broken symbolic link"):
        datasets.resolve(str(tmp_path / "link"), reported)


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "MARQUEE_CACHE_DIR"])
def test_a_cache_that_cannot_be_names_the_variable(monkeypatch, reported, variable):
    for name in ("MARQUEE_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "/dev/null/nobody")
    with pytest.raises(datasets.DatasetError, match="Set MARQUEE_CACHE_DIR to a "):
        datasets.resolve("sample", reported)


def test_a_user_without_a_home_is_told_so(monkeypatch, reported, tmp_path):
    monkeypatch.chdir(tmp_path)
    homeless(monkeypatch)
    with pytest.raises(datasets.DatasetError, match="home directory.* MARQUEE_CACHE"):
        datasets.resolve("sample", reported)
    with pytest.raises(datasets.DatasetError, match="~/ratings.csv: no such file"):
        datasets.resolve("~/ratings.csv", reported)
    assert list(tmp_path.iterdir()) == []  # no folder that is called ~


def homeless(monkeypatch):
    """As a container's user is that has a number and no entry in /etc/passwd."""

    def unknown(_):
        raise KeyError("uid not found")

    for name in ("HOME", "MARQUEE_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)

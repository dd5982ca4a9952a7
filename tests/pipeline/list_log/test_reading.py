"""A damaged file of lists is named and left out, whatever is wrong with it."""

import random

import pytest

from pipeline.list_log import reading
from tests.support.online_logs import shown, write_lists

COLUMNS = ("time", "user", "items", "history_items")
ZEROS = bytes(64)


@pytest.fixture
def paths(tmp_path):
    """Returns three files of 200 lists each; the second one is to be damaged."""
    names = [f"lists-20261120T00000{n}.000000Z-1.parquet" for n in range(3)]
    for number, name in enumerate(names):
        users = [f"user {number} {n}" for n in range(200)]
        pages = [shown(user, "abc", 0) for user in users]
        write_lists(
            tmp_path, [p._replace(history_items=["a"] * 9) for p in pages], name
        )
    return [tmp_path / "lists" / name for name in names]


def read(paths):
    """Returns the users of each file, and what is damaged."""
    damaged = []
    found = [
        (path, table["user"].to_pylist())
        for path, table in reading.tables(paths, COLUMNS, damaged, ["arm"])
    ]
    return found, damaged


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"x",
        lambda whole: b"PAR1",
        lambda whole: whole[:-40],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:4] + ZEROS + whole[4 + len(ZEROS) :],  # the first column
        lambda whole: whole[:-8] + bytes(8),  # the length of the footer
        lambda whole: ZEROS * (len(whole) // len(ZEROS)),
    ],
    ids=["empty", "letter", "head", "cut", "half", "page", "footer", "zeros"],
)
def test_it_is_named_in_a_line_and_the_others_are_read(paths, damage):
    before, nothing = read(paths)
    assert [len(users) for _, users in before] == [200, 200, 200]
    assert nothing == []
    whole = paths[1].read_bytes()
    paths[1].write_bytes(damage(whole))
    found, [line] = read(paths)
    assert found == [before[0], before[2]]
    assert line.startswith(f"{paths[1]} cannot be read: ")
    assert "\n" not in line


@pytest.mark.parametrize("seed", range(3))
def test_bytes_that_are_overwritten_anywhere_stop_nothing(paths, seed):
    rng, whole, num_damaged = random.Random(seed), paths[1].read_bytes(), 0
    (_, before), _, _ = read(paths)[0]
    for _ in range(100):
        size = rng.choice([1, 8, 64])
        at = rng.randrange(len(whole) - size)
        paths[1].write_bytes(whole[:at] + rng.randbytes(size) + whole[at + size :])
        found, damaged = read(paths)
        assert len(found) + len(damaged) == 3
        assert found[0] == (paths[0], before)
        num_damaged += len(damaged)
    assert num_damaged > 20


def test_one_that_is_read_again_is_named_once_and_a_removed_one_is_not(paths):
    paths[1].write_bytes(b"")
    paths[0].unlink()
    damaged = []
    for _ in range(2):
        assert len(list(reading.tables(paths, COLUMNS, damaged))) == 1
    assert len(damaged) == 1

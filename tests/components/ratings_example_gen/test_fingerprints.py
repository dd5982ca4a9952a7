"""Changed bytes are noticed, whatever sizes and times say."""

import os

import pytest

from components.ratings_example_gen.fingerprints import fingerprint, unchanged
from components.ratings_example_gen.input_errors import BadInputError

LINES = "u1,i1,4,1600000000\n"


def write(path, text):
    """Writes a file whose times say that it is from 1970."""
    path.write_text(text)
    os.utime(path, (1, 1))
    return str(path)


def test_an_edit_of_the_same_length_and_age_is_noticed(tmp_path):
    path = write(tmp_path / "r.csv", LINES)
    before = fingerprint([path])
    write(tmp_path / "r.csv", LINES.replace("4", "5"))
    assert fingerprint([path]) != before
    write(tmp_path / "r.csv", LINES)
    assert fingerprint([path]) == before


def test_a_touched_file_is_the_same(tmp_path):
    path = write(tmp_path / "r.csv", LINES)
    before = fingerprint([path])
    os.utime(path, (2, 2))
    assert fingerprint([path]) == before


def test_bytes_that_move_between_files_are_noticed(tmp_path):
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    paths = [write(first, LINES), write(second, LINES * 2)]
    before = fingerprint(paths)
    write(first, LINES * 2)
    write(second, LINES)
    assert fingerprint(paths) != before


def test_what_was_made_of_unchanged_files_passes(tmp_path):
    path = write(tmp_path / "r.csv", LINES)
    with unchanged([path], fingerprint([path])):
        pass
    with unchanged([path]):
        pass


@pytest.mark.parametrize("change", ["same_length", "appended", "removed", "replaced"])
def test_a_file_that_changes_while_it_is_read_is_refused_by_name(tmp_path, change):
    path = tmp_path / "r.csv"
    write(path, LINES)

    def read_and_change():
        if change == "same_length":
            write(path, LINES.replace("4", "5"))
        elif change == "appended":
            with path.open("a") as file:
                file.write(LINES)
        elif change == "removed":
            path.unlink()
        else:
            os.replace(write(tmp_path / "new", LINES), path)

    with (
        pytest.raises(BadInputError, match="changed while it was read") as caught,
        unchanged([str(path)]),
    ):
        read_and_change()
    assert str(path) in str(caught.value)


def test_a_change_stands_in_for_the_error_that_it_led_to(tmp_path):
    path = write(tmp_path / "r.csv", LINES)

    def read_what_became_no_row():
        write(tmp_path / "r.csv", "x")
        raise ValueError("not a row")

    with (
        pytest.raises(BadInputError, match="changed while") as caught,
        unchanged([path]),
    ):
        read_what_became_no_row()
    assert isinstance(caught.value.__cause__, ValueError)


def test_another_error_of_the_block_stays(tmp_path):
    path = write(tmp_path / "r.csv", LINES)
    with pytest.raises(ValueError, match="not a row"), unchanged([path]):
        raise ValueError("not a row")


def test_a_change_before_the_block_is_noticed_by_the_fingerprint(tmp_path):
    paths = [write(tmp_path / f"{n}.csv", LINES) for n in range(2)]
    expected = fingerprint(paths)
    write(tmp_path / "0.csv", LINES.replace("4", "5"))
    with (
        pytest.raises(BadInputError, match="one of the 2 files"),
        unchanged(paths, expected),
    ):
        pass

"""One changed byte of a live version, wherever it is: every reader refuses it."""

import pytest

from components.live_models import versions

ASK = {
    "recommend": ["recommend", "--user", "ann"],
    "batch": ["batch", "--out", "recs.parquet"],
    "rollback": ["rollback", "2"],
}


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("asking", ASK)
def test_who_asks_the_model_names_the_changed_file(marquee, pushed, asking):
    path = pushed / "2" / "saved_model.pb"
    flip(path, -1)
    told = marquee(*ASK[asking])
    assert told.status not in (0, 1)  # 1 is for unexpected errors
    assert "saved_model.pb is not as it was pushed; roll back" in " ".join(
        told.err.split()
    )
    assert "Traceback" not in told.err
    assert sorted(versions.numbers(pushed)) == [1, 2]


def test_no_byte_of_a_version_changes_unseen(pushed):
    changed = 0
    for path in files(pushed / "2"):
        content = path.read_bytes()
        for position in range(len(content)):
            flip(path, position)
            assert versions.problem(pushed / "2"), f"{path.name}, byte {position}"
            path.write_bytes(content)
            changed += 1
    assert changed > 300
    assert versions.problem(pushed / "2") is None

"""The folder of live models: numbers, checksums, rollbacks, kills and races."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from components.live_models import (
    push,
    rollback,
    version_ledger,
    versions,
    withdraw,
)
from components.live_models.versions import VersionError
from trainer_modules import features as f

ROOT = Path(__file__).parents[3]
KEEP_ALL = 1000


def make_model(folder, origin, name="mf_als", **files):
    """A folder that has what a push needs of a SavedModel, and a file of its own."""
    card = {"model": name, "origin": origin, "parameters": 7}
    contents = {
        "saved_model.pb": f"graph of {origin}",
        "variables/variables.index": "index",
        "assets.extra/marquee.json": json.dumps(card),
        **files,
    }
    for file, content in contents.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.fixture
def model(tmp_path):
    return lambda origin, **files: make_model(
        tmp_path / f"model_{origin}", origin, **files
    )


@pytest.fixture
def live(tmp_path):
    return tmp_path / "serving" / "marquee"


@pytest.fixture
def three(model, live):
    """Versions 1, 2 and 3, of a, b and b."""
    for origin in ("a", "b", "b"):
        push.push(model(origin), live, KEEP_ALL)
    return live


def everything(folder):
    """All files below a folder with their bytes."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def sha256(folder):
    """Checksums by hand, those of the manifest's own file left out."""
    found = everything(folder)
    del found["assets.extra/manifest.json"]
    return {
        name: hashlib.sha256(content).hexdigest() for name, content in found.items()
    }


def numbers(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def unfinished(folder):
    return list(folder.glob(".unfinished-*"))


# Pushing


def test_before_the_first_push_nothing_is_live(live):
    assert versions.live(live) is None
    assert versions.versions(live) == []
    live.mkdir(parents=True)
    (live / "some notes").mkdir()
    (live / "7").write_text("a file is no version")
    assert versions.live(live) is None
    assert versions.versions(live) == []


def test_pushes_count_from_one_and_the_highest_is_live(model, live):
    for number in range(1, 12):  # 10 and 11 are above 9, however they are sorted
        pushed = push.push(model(f"m{number}"), live, KEEP_ALL)
        assert pushed.number == number
        assert pushed.folder == live / str(number)
        assert versions.live(live) == pushed
    assert [v.number for v in versions.versions(live)] == list(range(1, 12))


def test_a_version_is_the_model_s_files_and_says_where_they_are_from(model, live):
    source = model("a", **{"assets/items.txt": "é"})
    before = everything(source)
    pushed = push.push(source, live, KEEP_ALL)
    assert (pushed.model, pushed.origin, pushed.restored) == ("mf_als", "a", None)
    assert pushed.pushed.endswith("+00:00")
    card = "assets.extra/marquee.json"
    after = everything(pushed.folder)
    manifest = json.loads(after.pop("assets.extra/manifest.json"))
    written = json.loads(after.pop(card))
    assert written.pop("pushed") == pushed.pushed
    assert written.pop("restored") is None
    assert written == json.loads(before[card])
    assert after == {name: c for name, c in before.items() if name != card}
    assert manifest == {"sha256": sha256(pushed.folder)}
    assert len(manifest["sha256"]) == 4
    assert everything(source) == before  # which stays as it was


def test_a_manifest_that_the_model_brings_is_replaced(model, live):
    lie = json.dumps({"sha256": {"saved_model.pb": "0"}})
    pushed = push.push(
        model("a", **{"assets.extra/manifest.json": lie}), live, KEEP_ALL
    )
    assert json.loads((pushed.folder / versions.MANIFEST).read_text()) == {
        "sha256": sha256(pushed.folder)
    }
    versions.verify(pushed.folder)


def test_a_folder_that_cannot_be_written_leaves_things_as_they_were(model, tmp_path):
    blocked = tmp_path / "live"
    blocked.write_text("a file where the folder should be")
    before = everything(tmp_path)
    source = model("a")
    with pytest.raises(OSError, match="live"):
        push.push(source, blocked, KEEP_ALL)
    shutil.rmtree(source)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("missing", ["assets.extra/marquee.json", "."])
def test_a_model_that_cannot_be_read_leaves_the_live_one(three, model, missing):
    source = model("c")
    if missing == ".":
        shutil.rmtree(source)
    else:
        (source / missing).unlink()
    with pytest.raises(OSError, match="model_c|marquee.json"):
        push.push(source, three, 1)
    assert numbers(three) == [1, 2, 3]
    assert versions.live(three).origin == "b"
    assert push.push(model("d"), three, KEEP_ALL).number == 4
    assert unfinished(three) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
@pytest.mark.parametrize("moment", ["sync", "move"])
def test_a_push_that_is_stopped_or_finds_no_room_leaves_nothing_unfinished(
    three, model, monkeypatch, error, moment
):
    before = sorted(path.name for path in three.iterdir())
    call = getattr(push.durable_files, moment)

    def fails(path, *others):
        of_version = (path, *others)[-1].name if moment == "move" else path.parent.name
        if of_version == "4" or of_version.startswith(".unfinished-"):
            raise error
        call(path, *others)

    monkeypatch.setattr(push.durable_files, moment, fails)
    with pytest.raises(type(error)):
        push.push(model("c"), three, KEEP_ALL)
    assert sorted(path.name for path in three.iterdir()) == before
    monkeypatch.undo()
    assert push.push(model("c"), three, KEEP_ALL).origin == "c"


def test_a_numbered_folder_of_somebody_else_is_told_with_advice(three, model):
    stranger = three / "1700000000"
    stranger.mkdir()
    (stranger / "saved_model.pb").write_text("pushed by TFX's own Pusher")
    before = everything(three)
    for act in (
        lambda: versions.live(three),
        lambda: versions.versions(three),
        lambda: push.push(model("c"), three, 1),
        lambda: rollback.roll_back(three, None),
    ):
        with pytest.raises(VersionError, match="1700000000/.*move it away"):
            act()
    assert everything(three) == before
    shutil.move(stranger, three.parent)
    assert push.push(model("c"), three, KEEP_ALL).number == 4


@pytest.mark.parametrize(
    "card", ["", "[]", "{}", '{"model": "a", "origin": "b"}', "[" * 5000]
)
def test_a_card_that_says_too_little_is_told(three, card):
    (three / "3" / f.CARD_FILE).write_text(card)
    with pytest.raises(VersionError, match="3/assets.extra/marquee.json cannot be"):
        versions.live(three)


# Checking


def change(folder):
    (folder / "variables" / "variables.index").write_text("indeX")
    return "variables/variables.index"


def remove(folder):
    (folder / "saved_model.pb").unlink()
    return "saved_model.pb"


def add(folder):
    (folder / "assets.extra" / "more.txt").write_text("")
    return "assets.extra/more.txt"


@pytest.mark.parametrize(
    ("tamper", "words"),
    [(change, "is not as it was"), (remove, "is missing"), (add, "is not as it was")],
)
def test_a_file_that_is_not_as_pushed_is_named(three, tamper, words):
    versions.verify(three / "3")
    name = tamper(three / "3")
    with pytest.raises(VersionError, match=f"3/{name} {words}") as caught:
        versions.verify(three / "3")
    assert "roll back, or push again" in str(caught.value)
    versions.verify(three / "2")


@pytest.mark.parametrize(
    "manifest",
    [None, "", "{", "[]", "{}", '{"sha256": null}', '{"sha256": 1}', "[" * 5000],
)
def test_checksums_that_cannot_be_read_are_no_checksums(three, manifest):
    path = three / "3" / versions.MANIFEST
    path.unlink() if manifest is None else path.write_text(manifest)
    with pytest.raises(VersionError, match="manifest.json cannot be read"):
        versions.verify(three / "3")


# Rolling back


def test_a_rollback_goes_to_the_newest_other_model_under_a_new_number(three):
    back = rollback.roll_back(three, None)
    assert (back.number, back.origin, back.restored) == (4, "a", 1)
    assert versions.live(three) == back
    versions.verify(back.folder)
    [told, old] = (everything(three / number) for number in ("4", "1"))
    assert [told["saved_model.pb"], len(told)] == [old["saved_model.pb"], len(old)]
    again = rollback.roll_back(three, None)  # and forward again
    assert (again.number, again.origin, again.restored) == (5, "b", 3)


def test_a_rollback_goes_to_a_number(three):
    back = rollback.roll_back(three, 2)
    assert (back.number, back.origin, back.restored) == (4, "b", 2)


@pytest.mark.parametrize("number", [0, 4, -1])
def test_a_rollback_to_an_unknown_number_tells_what_there_is(three, number):
    words = f"No version {number} in {three}; available: 1, 2, 3"
    with pytest.raises(VersionError, match=words):
        rollback.roll_back(three, number)
    assert numbers(three) == [1, 2, 3]


def test_a_rollback_needs_something_to_go_back_to(model, live):
    with pytest.raises(VersionError, match="No older version in .*; available: none"):
        rollback.roll_back(live, None)
    push.push(model("a"), live, KEEP_ALL)
    push.push(model("a"), live, KEEP_ALL)
    with pytest.raises(VersionError, match="No older version in .*; available: 1, 2"):
        rollback.roll_back(live, None)
    assert numbers(live) == [1, 2]


@pytest.mark.parametrize("tamper", [change, remove, add])
@pytest.mark.parametrize("number", [None, 1])
def test_a_rollback_to_changed_files_is_refused(three, tamper, number):
    name = tamper(three / "1")
    before = everything(three)
    with pytest.raises(VersionError, match=name):
        rollback.roll_back(three, number)
    assert everything(three) == before
    assert versions.live(three).number == 3


# Retention

steps = st.tuples(
    st.sampled_from(["push a", "push b", "push c", "back", "again"]), st.integers(0, 4)
)


def kept(known, keep):
    """Returns the newest of (number, origin), oldest first, and the last other one."""
    for number, origin in reversed(known):
        if origin != known[-1][1]:
            last_good = [(number, origin)]
            break
    else:
        last_good = []
    newest = known[len(known) - max(keep, 1) :] if keep < len(known) else known
    return sorted({*newest, *last_good})


@settings(max_examples=25)
@given(st.lists(steps, min_size=1, max_size=9))
def test_retention_keeps_the_newest_and_the_last_good_one(tmp_path_factory, told):
    folder = tmp_path_factory.mktemp("retention")
    live = folder / "live"
    sources = {origin: make_model(folder / origin, origin) for origin in "abc"}
    known, used = [], set()
    for what, keep in told:
        if what.startswith("push"):
            origin = what[-1]
            version = push.push(sources[origin], live, keep)
        else:
            others = [entry for entry in known if entry[1] != known[-1][1]]
            if not others:
                continue
            number, origin = others[-1] if what == "back" else known[0]
            chosen = None if what == "back" else number
            version = rollback.roll_back(live, chosen)
            assert version.restored == number
        assert version.number not in used  # numbers are never taken twice
        assert version.number == max(used, default=0) + 1
        used.add(version.number)
        known = [*known, (version.number, origin)]
        if what.startswith("push"):  # a rollback removes nothing
            known = kept(known, keep)
        found = versions.versions(live)
        assert [(v.number, v.origin) for v in found] == known
        assert found[-1] == version
        assert unfinished(live) == []
    for number, _ in known:
        versions.verify(live / str(number))


def test_what_a_rollback_needs_is_kept_however_often_the_same_is_pushed(model, live):
    push.push(model("good"), live, 1)
    for _ in range(4):
        push.push(model("bad"), live, 1)
    assert numbers(live) == [1, 5]
    assert rollback.roll_back(live, None).origin == "good"
    assert numbers(live) == [1, 5, 6]


# Processes

PUSH = """
    import sys
    from pathlib import Path
    from components.live_models import push

    source, live, count, keep = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(count)):
        print(push.push(Path(source), Path(live), int(keep)).number, flush=True)
"""


@pytest.fixture
def pusher():
    """Starts processes that push on a signal; ends those that are left."""
    started = []

    def start(source, live, count, keep):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PUSH), source, live]
            + [str(count), str(keep)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def large(model):
    """Forty files of some 100 kB: a push is long enough to be hit in its midst."""
    files = {f"variables/part{n}": str(n) * 100_000 for n in range(40)}
    return model("large", **files)


def test_a_killed_push_leaves_only_whole_versions(large, live, pusher):
    chance = random.Random(7)
    hit, seen = 0, []
    for _ in range(22):
        process = pusher(large, live, 10_000, 3)
        go(process)
        time.sleep(chance.uniform(0.02, 0.5))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        hit += bool(live.is_dir() and unfinished(live))
        found = [v.number for v in versions.versions(live)]
        for number in found:
            versions.verify(live / str(number))
        assert found[-1:] >= seen  # a kill takes back no version
        seen = found[-1:]
    assert hit >= 5  # or they were killed while they did nothing
    stayed = numbers(live)[-2:]
    pushed = push.push(large, live, 3)
    assert pushed.number > stayed[-1]  # by more, if a killed push had its number
    assert unfinished(live) == []
    assert numbers(live) == [*stayed, pushed.number]


def test_two_pushes_at_once_wait_for_each_other(large, model, live, pusher):
    processes = [pusher(source, live, 5, KEEP_ALL) for source in (large, model("b"))]
    for process in processes:
        go(process)
    told = [list(map(int, p.communicate(timeout=60)[0].split())) for p in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [len(taken) for taken in told] == [5, 5]
    assert sorted(told[0] + told[1]) == list(range(1, 11)) == numbers(live)
    assert unfinished(live) == []
    for number, origin in [(n, "large") for n in told[0]] + [(n, "b") for n in told[1]]:
        versions.verify(live / str(number))
        assert versions.versions(live)[number - 1].origin == origin


ROLL_BACK = """
    import sys
    from pathlib import Path
    from components.live_models import rollback

    print(rollback.roll_back(Path(sys.argv[1]), None).restored)
"""


def waits_for_a_lock(process):
    """Whether the kernel has a process wait for somebody else's lock."""
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(words[1] == "->" and words[5] == str(process.pid) for words in waiting)


@pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="only Linux tells who waits"
)
def test_a_rollback_chooses_from_what_a_push_before_it_left(three, model, tmp_path):
    # A push of c that keeps two: with 3 and 4 there is no version 1 to go back to.
    pushed = push.push(model("c"), tmp_path / "elsewhere", 1)
    with open(three / versions.LOCK, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(ROLL_BACK), three],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        while not waits_for_a_lock(process):
            assert process.poll() is None
            time.sleep(0.01)
        pushed.folder.rename(three / "4")
        for gone in ("1", "2"):
            shutil.rmtree(three / gone)
    assert process.communicate(timeout=60)[0] == "3\n"
    assert numbers(three) == [3, 4, 5]
    assert versions.live(three).origin == "b"
    versions.verify(three / "5")


def test_a_reader_never_sees_half_a_version(model, live, pusher):
    files = {f"variables/part{n}": str(n) * 20_000 for n in range(10)}
    process = pusher(model("a", **files), live, 10_000, 2)
    go(process)
    whole, ends = set(), time.monotonic() + 4
    while time.monotonic() < ends:
        for number in numbers(live) if live.is_dir() else []:
            try:
                versions.verify(live / str(number))
            except (VersionError, OSError):
                # No number is taken twice: what is not there was removed meanwhile.
                assert not (live / str(number)).exists()
            else:
                whole.add(number)
    assert process.poll() is None
    assert len(whole) > 10
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def test_a_model_that_was_rolled_back_from_is_withdrawn_until_one_rolls_back_to_it(
    model, live
):
    for origin in ("a", "b"):
        push.push(model(origin), live, keep=2)
    assert version_ledger.withdrawn(live) == frozenset()
    before = version_ledger.life(live)
    rollback.roll_back(live, None)  # 3 is a
    assert version_ledger.withdrawn(live) == {"b"}
    after = version_ledger.life(live)
    assert after != before  # or Champion's choice of b came from the cache again
    for origin in ("c", "d", "e"):  # also when its version is long gone
        push.push(model(origin), live, keep=2)
    assert version_ledger.withdrawn(live) == {"b"}
    assert version_ledger.life(live) == after
    push.push(model("b"), live, KEEP_ALL)  # as an older marquee would
    assert version_ledger.withdrawn(live) == frozenset()  # it is live: a person let it
    rollback.roll_back(live, 6)
    assert version_ledger.withdrawn(live) == {"b"}
    rollback.roll_back(live, 7)  # b again: that takes the rollback back
    assert versions.live(live).origin == "b"
    assert version_ledger.withdrawn(live) == frozenset()
    assert version_ledger.life(live) == before
    rollback.roll_back(live, 9)  # to itself
    assert version_ledger.withdrawn(live) == frozenset()


def test_a_ledger_of_before_has_nothing_withdrawn(three):
    ledger = json.loads((three / version_ledger.LEDGER).read_text())
    del ledger["withdrawn"]
    (three / version_ledger.LEDGER).write_text(json.dumps(ledger))
    assert version_ledger.withdrawn(three) == frozenset()
    assert rollback.roll_back(three, None).number == 4


def test_a_life_lasts_over_pushes_until_one_rolls_back_or_empties_the_folder(
    model, live
):
    first = version_ledger.life(live)
    assert version_ledger.life(live) == first  # nothing went live yet
    for origin in ("a", "b"):
        push.push(model(origin), live, keep=1)
        assert version_ledger.life(live) == first
    rollback.roll_back(live, None)
    assert version_ledger.life(live) != first

    for version in versions.versions(live):  # hidden files stay, as with rm live/*
        shutil.rmtree(version.folder)
    second = version_ledger.life(live)
    assert version_ledger.life(live) == second != first
    assert push.push(model("a"), live, KEEP_ALL).number == 4
    assert version_ledger.life(live) == second

    shutil.rmtree(live)
    third = version_ledger.life(live)
    assert third not in (first, second)
    assert push.push(model("a"), live, KEEP_ALL).number == 1
    assert version_ledger.life(live) == third


def test_a_number_is_not_used_again_when_its_version_was_removed_by_hand(three, model):
    shutil.rmtree(three / "3")
    assert push.push(model("c"), three, KEEP_ALL).number == 4


def test_a_broken_ledger_is_an_error_that_says_what_to_do(three, model):
    (three / version_ledger.LEDGER).write_text("{}")
    with pytest.raises(VersionError, match=r"ledger.json cannot be read.*remove it"):
        push.push(model("c"), three, KEEP_ALL)
    (three / version_ledger.LEDGER).unlink()
    assert push.push(model("c"), three, KEEP_ALL).number == 4


# Modes of files


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_no_umask_makes_files_that_everybody_may_write_to(model, live, umask):
    source, before = model("a"), os.umask(umask)
    try:
        # As the command line does it: in a process of its own, which has the umask.
        command = "from components import durable_files as files; "
        command += "files.forbid_world_writable();"
        command += "from components.live_models import push, rollback;"
        command += "from pathlib import Path;"
        command += f"push.push(Path({str(source)!r}), Path({str(live)!r}), 9);"
        command += f"rollback.roll_back(Path({str(live)!r}), 1)"
        for path in (source, *source.rglob("*")):
            path.chmod(0o777 & ~umask)
        subprocess.run([sys.executable, "-c", command], check=True, cwd=ROOT)
    finally:
        os.umask(before)
    found = [live, *live.rglob("*")]
    assert len(found) > 10
    for path in found:
        mode = path.stat().st_mode
        assert not mode & stat.S_IWOTH, path
        # What the umask forbids stays forbidden; with 077 no other user reads.
        assert not mode & umask, path
        others = stat.S_IROTH if umask in (0, 0o022) else 0
        assert mode & stat.S_IROTH == others, path


# Clean-up that fails


@pytest.fixture
def elsewhere(tmp_path):
    """A file in a folder that no version's removal may reach."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "precious").write_text("kept")
    yield folder
    assert (folder / "precious").read_text() == "kept"


def test_a_version_that_is_a_link_is_unlinked_and_never_followed(
    three, model, elsewhere
):
    moved = elsewhere / "1"
    shutil.move(three / "1", moved)
    (three / "1").symlink_to(moved)
    before = everything(moved)
    push.push(model("c"), three, 2)
    push.push(model("d"), three, 2)
    assert numbers(three) == [4, 5]
    assert unfinished(three) == []
    assert everything(moved) == before
    assert rollback.roll_back(three, None).origin == "c"


@pytest.mark.parametrize("dangles", [False, True])
def test_a_link_that_a_killed_push_left_is_unlinked(three, model, elsewhere, dangles):
    name = ".unfinished-0"
    (three / name).symlink_to(elsewhere / ("nothing" if dangles else ""))
    (three / "2" / "link").symlink_to(elsewhere)
    assert push.push(model("c"), three, 1).number == 4
    assert rollback.roll_back(three, None).origin == "b"
    assert not (three / name).is_symlink()
    assert numbers(three) == [3, 4, 5]


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError, OSError])
@pytest.mark.parametrize("what", ["rename", "removal"])
def test_a_clean_up_that_fails_is_reported_and_tried_again(
    three, model, monkeypatch, caplog, what, error
):
    owner, name = {
        "rename": (Path, "rename"),
        "removal": (push.durable_files, "remove"),
    }[what]

    def failing(*_):
        raise error("injected")

    with monkeypatch.context() as broken:
        broken.setattr(owner, name, failing)
        assert push.push(model("c"), three, 1).number == 4
        assert rollback.roll_back(three, None).origin == "b"
        assert push.push(model("d"), three, 1).number == 6
    assert "Cannot remove version 1: injected" in caplog.text
    assert "tries again" in caplog.text
    push.push(model("e"), three, 1)
    assert numbers(three) == [6, 7]
    assert unfinished(three) == []


def test_an_old_version_that_cannot_be_read_stays_and_blocks_nothing(
    three, model, caplog
):
    (three / "1" / f.CARD_FILE).unlink()
    assert push.push(model("c"), three, 1).number == 4
    assert rollback.roll_back(three, None).origin == "b"
    assert numbers(three) == [1, 3, 4, 5]
    assert "Version 1 is left alone" in caplog.text


def test_a_rollback_to_a_number_needs_no_other_card(three):
    (three / "3" / f.CARD_FILE).unlink()
    assert rollback.roll_back(three, 1).origin == "a"
    assert versions.live(three).origin == "a"


def test_forgotten_versions_are_gone_and_the_ledger_names_no_id(three, model):
    entry = version_ledger.Forgotten("2026-11-29T00:00:00+00:00", 1, 0, [2, 3], True)
    leaving = [v for v in versions.versions(three) if v.origin == "b"]
    withdraw.withdraw(three, entry, leaving)
    assert versions.numbers(three) == [1]
    assert version_ledger.withdrawn(three) == {"b"}
    assert version_ledger.forgotten(three) == frozenset()  # still pending
    withdraw.end_serving(three)
    assert version_ledger.forgotten(three) == {2, 3}
    assert push.push(model("c"), three, KEEP_ALL).number == 4
    [written] = json.loads((three / ".ledger.json").read_text())["forgotten"]
    assert written == {
        **{"time": "2026-11-29T00:00:00+00:00", "users": 1, "items": 0},
        **{"versions": [2, 3], "is_pending": False},
    }
    with pytest.raises(VersionError):
        rollback.roll_back(three, 2)

"""Trials: their transitions, what persons do meanwhile, and kills at every moment."""

import dataclasses

import pytest

from components import durable_files
from components.live_models import push, rollback, trial, version_ledger, versions
from tests.components.live_models.test_live_models import make_model

SETTINGS = {"mode": "canary", "share": 0.1}


@pytest.fixture
def live(tmp_path):
    return tmp_path / "live"


@pytest.fixture
def model(tmp_path):
    return lambda origin: make_model(tmp_path / f"model_{origin}", origin)


@pytest.fixture
def begun(live, model):
    """Version 1 is live, and version 2 is on trial."""
    push.push(model("old"), live, keep=9)
    return trial.begin(model("new"), live, 9, 1, SETTINGS)


def steps(live):
    return [(s.version, s.to) for s in trial.settled(live).transitions]


def test_a_version_on_trial_is_not_live(live, begun):
    assert (begun.number, begun.is_on_trial) == (2, True)
    assert versions.live(live).number == 1
    in_progress = trial.settled(live).trial
    assert (in_progress.version, in_progress.against) == (2, 1)
    assert in_progress.settings == SETTINGS
    versions.verify(begun.folder)
    assert [v.number for v in versions.with_challengers(live)] == [2, 1]


def test_going_live_keeps_the_number_and_every_byte(live, begun):
    version = trial.promote(live, 2, "it is better")
    assert (version.number, version.origin) == (2, begun.origin)
    versions.verify(version.folder)
    assert versions.live_number(live) == 2
    assert trial.settled(live).trial is None
    assert steps(live) == [(2, "trial"), (2, "live")]
    assert trial.settled(live).transitions[-1].reason == "it is better"


def test_what_was_withdrawn_is_not_pushed_again(live, begun):
    assert trial.withdraw(live, 2, "it is worse")
    assert version_ledger.withdrawn(live) == {begun.origin}
    assert not begun.folder.exists()
    assert steps(live) == [(2, "trial"), (2, "withdrawn")]
    assert not trial.withdraw(live, 2, "again")
    assert trial.promote(live, 2, "again") is None


def test_numbers_are_not_used_twice(live, model, begun):
    trial.withdraw(live, 2, "it is worse")
    assert trial.begin(model("newer"), live, 9, 1, SETTINGS).number == 3
    trial.withdraw(live, 3, "it is worse")
    assert push.push(model("newest"), live, keep=9).number == 4


def test_one_trial_at_a_time(live, model, begun):
    with pytest.raises(push.OvertakenError, match="version 2 is on trial since"):
        trial.begin(model("newer"), live, 9, 1, SETTINGS)


def test_a_trial_against_another_version_does_not_begin(live, model):
    for origin in ("a", "b"):
        push.push(model(origin), live, keep=9)
    with pytest.raises(push.OvertakenError, match="judged against version 1"):
        trial.begin(model("c"), live, 9, 1, SETTINGS)


def test_a_rollback_ends_a_trial(live, model):
    for origin in ("a", "b"):
        push.push(model(origin), live, keep=9)
    challenger = trial.begin(model("c"), live, 9, 2, SETTINGS)
    assert rollback.roll_back(live, None).number == 4
    assert trial.promote(live, 3, "too late") is None
    assert versions.live(live).origin == "a"
    assert steps(live) == [(3, "trial"), (3, "withdrawn")]
    assert version_ledger.withdrawn(live) == {"b", challenger.origin}


def test_another_push_ends_a_trial(live, model, begun):
    push.push(model("by a person"), live, keep=9)
    assert trial.promote(live, 2, "too late") is None
    assert steps(live)[-1] == (2, "withdrawn")
    assert versions.live_number(live) == 3


def test_a_damaged_challenger_can_be_withdrawn(live, begun):
    (begun.folder / "assets.extra/marquee.json").write_text("{")
    assert trial.withdraw(live, 2, "damaged")
    assert trial.settled(live).trial is None


@pytest.mark.parametrize("moment", range(1, 30))
@pytest.mark.parametrize("what", ["begin", "promote", "withdraw"])
def test_a_killed_process_leaves_one_of_the_two_states(
    live, model, monkeypatch, what, moment
):
    """It ends before each rename, each removal and each wait for the disk in turn."""
    push.push(model("old"), live, keep=9)
    if what != "begin":
        trial.begin(model("new"), live, 9, 1, SETTINGS)
    act = {
        "begin": lambda: trial.begin(model("new"), live, 9, 1, SETTINGS),
        "promote": lambda: trial.promote(live, 2, "good"),
        "withdraw": lambda: trial.withdraw(live, 2, "bad"),
    }[what]
    left = moment

    class KilledError(BaseException):
        pass

    def killing(function):
        def call(*args, **kwargs):
            nonlocal left
            left -= 1
            if left <= 0:
                raise KilledError
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        for name in ("move", "sync", "remove", "write"):
            patched.setattr(durable_files, name, killing(getattr(durable_files, name)))
        patched.setattr("shutil.rmtree", killing(trial.shutil.rmtree))
        try:
            act()
        except KilledError:
            pass
        else:
            assert left > 0  # it was over before
    ledger = trial.settled(live)
    number = versions.live_number(live)
    versions.verify(live / str(number))
    assert (number == 2) == (
        ledger.transitions[-1:] != ()
        and what == "promote"
        and ledger.transitions[-1].to == "live"
    )
    if ledger.trial:
        assert number == 1
        versions.verify(versions.challengers(live) / "2")
    # Whatever is left, the next trial begins.
    trial.withdraw(live, 2, "a person rolled back")
    newer = trial.begin(model("newer"), live, 9, number, SETTINGS)
    assert newer.number == trial.settled(live).trial.version
    assert [p.name for p in versions.challengers(live).iterdir()] == [str(newer.number)]
    assert dataclasses.asdict(trial.settled(live))["trial"]["against"] == number

"""The ledger: shares of alpha, reigns, and that no target counts twice."""

import dataclasses
import json

import numpy as np
import pytest

from components.champion import ledger as ledger_file
from components.champion.judged import OVERALL, Judged, Slice
from components.champion.ledger import FILE, Ledger, LedgerError
from components.ranking_metrics.users import Users

N = 50


def judged(name, rank, night=0, recipe=None):
    """A model that ranks the one target of each of N users alike."""
    users = Users(
        user=np.arange(N, dtype=np.uint64),
        metrics=(),
        values=np.zeros([N, 0], np.float32),
        num_candidates=np.full(N, 100, np.int32),
        target_user=np.arange(N, dtype=np.int32),
        target=np.arange(N, dtype=np.uint32) + np.uint32(N * night),
        rank=np.full(N, rank, np.int32),
        score=np.zeros(N, np.float32),
        label=np.ones(N, np.int8),
    )
    slices = {OVERALL: Slice({}, users)}
    return Judged(name, recipe or name, f"{name}/{night}", 1, False, slices)


def night(ledger, number, *names, live_rank=4, version=1, metric="mrr"):
    """A run: challengers at rank 2, the live model below."""
    ledger = ledger.opened("life", version)
    challengers = [judged(name, 2, number) for name in names]
    return ledger.updated(challengers, judged("live", live_rank, number), metric)


def users(ledger):
    return {recipe: each.users for recipe, each in ledger.evidence.items()}


def shares(ledger):
    return {recipe: each.share for recipe, each in ledger.evidence.items()}


def test_evidence_accumulates_over_nights():
    one = night(Ledger(), 0, "a")
    two = night(one, 1, "a")
    assert users(two) == {"a": 2 * N}
    assert two.evidence["a"].by_metric.total == pytest.approx(2 * N * (1 / 2 - 1 / 4))
    assert two.evidence["a"].value > one.evidence["a"].value > 1


def test_a_run_that_is_repeated_counts_nobody_twice():
    once = night(Ledger(), 0, "a", "b")
    again = night(once, 0, "a", "b")
    assert again.evidence == once.evidence
    np.testing.assert_array_equal(again.seen, once.seen)
    # Nor when another night was in between, as with two data sets in turn.
    third = night(night(once, 1, "a", "b"), 0, "a", "b")
    assert users(third) == {"a": 2 * N, "b": 2 * N}


def test_those_who_enter_together_share_and_later_groups_have_less():
    ledger = night(Ledger(), 0, "a", "b")
    assert shares(ledger) == {"a": 1 / 4, "b": 1 / 4}
    ledger = night(ledger, 1, "a", "c", "d", "e")
    assert shares(ledger)["c"] == shares(ledger)["e"] == pytest.approx(1 / 6 / 3)
    assert shares(ledger)["a"] == 1 / 4
    for number in range(2, 400):
        ledger = night(ledger, number, f"n{number}")
    assert sum(shares(ledger).values()) < 1
    assert sum(shares(ledger).values()) == pytest.approx(1, abs=0.01)


def test_a_new_recipe_counts_all_users_of_the_run_that_it_enters_in():
    ledger = night(night(Ledger(), 0, "a"), 0, "a", "b")
    assert users(ledger) == {"a": N, "b": N}
    assert users(night(ledger, 0, "a", "b")) == {"a": N, "b": N}


def test_a_promotion_begins_a_new_reign_with_new_evidence():
    ledger = night(Ledger(), 0, "a", "b")
    ledger = night(ledger, 1, "a", "b", version=2)
    assert users(ledger) == {"a": N, "b": N}
    assert shares(ledger) == {"a": 1 / 4, "b": 1 / 4}


def test_what_was_rolled_back_does_not_come_back_by_its_old_evidence():
    ledger = night(Ledger(), 0, "a")  # and a is promoted as version 2
    ledger = night(ledger, 0, "a", version=3)  # rolled back, and the run is repeated
    assert users(ledger) == {"a": 0}
    assert ledger.evidence["a"].value == 1
    assert not ledger.evidence["a"].proves(0.05)
    assert users(night(ledger, 1, "a", version=3)) == {"a": N}


def test_evidence_in_one_metric_is_none_in_another():
    ledger = night(Ledger(), 0, "a", "b")
    ledger = night(ledger, 1, "a", "b", metric="hit_rate@10")
    assert users(ledger) == {"a": N, "b": N}
    assert ledger.evidence["a"].by_metric.total == 0  # both are in the first ten
    assert shares(ledger)["a"] == pytest.approx(1 / 6 / 2)  # the second to enter
    back = night(ledger, 1, "a", "b")
    assert users(back) == {"a": 0, "b": 0}  # their targets were seen
    assert shares(back)["a"] == pytest.approx(1 / 12 / 2)


def test_a_ledger_without_the_metric_keeps_its_evidence(tmp_path):
    """As an older release wrote it."""
    ledger = night(Ledger(), 0, "a")
    ledger_file.write(tmp_path, dataclasses.replace(ledger, metric=""))
    with np.load(tmp_path / FILE) as file:
        values, seen = json.loads(str(file["ledger"])), file["seen"]
    del values["metric"]
    with (tmp_path / FILE).open("wb") as file:
        np.savez(file, ledger=json.dumps(values), seen=seen)
    found = night(ledger_file.read(tmp_path), 1, "a")
    assert users(found) == {"a": 2 * N}
    assert found.metric == "mrr"


def test_another_folder_of_versions_begins_with_nothing():
    ledger = night(Ledger(), 0, "a")
    emptied = ledger.opened("another life", 0)
    assert emptied == Ledger("another life", 0)
    assert ledger.opened("life", 1) is ledger


def test_what_is_written_is_read(tmp_path):
    ledger = night(night(Ledger(), 0, "a", "b"), 1, "b", "c")
    ledger_file.write(tmp_path / "live", ledger)
    found = ledger_file.read(tmp_path / "live")
    np.testing.assert_array_equal(found.seen, ledger.seen)
    assert found.seen.dtype == np.uint32
    assert dataclasses.replace(found, seen=ledger.seen) == ledger
    assert users(night(found, 1, "b", "c")) == users(ledger)


def test_a_missing_ledger_is_empty_and_a_damaged_one_says_what_to_do(tmp_path):
    assert ledger_file.read(tmp_path) == Ledger()
    ledger_file.write(tmp_path, night(Ledger(), 0, "a"))
    path = tmp_path / FILE
    for content in (b"", path.read_bytes()[:100], b"garbage"):
        path.write_bytes(content)
        with pytest.raises(LedgerError, match=r"\.evidence\.npz.*from a backup"):
            ledger_file.read(tmp_path)


def test_a_ledger_that_lacks_a_part_is_damaged(tmp_path):
    ledger_file.write(tmp_path, night(Ledger(), 0, "a"))
    path = tmp_path / FILE
    with np.load(path) as file:
        values, seen = json.loads(str(file["ledger"])), file["seen"]
    del values["evidence"]["a"]["by_list"]["total"]
    with path.open("wb") as file:
        np.savez(file, ledger=json.dumps(values), seen=seen)
    with pytest.raises(LedgerError, match="total"):
        ledger_file.read(tmp_path)

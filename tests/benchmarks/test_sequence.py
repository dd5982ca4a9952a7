"""The benchmark of sequence models: what it counts, and what it makes of the counts."""

import csv
import json
from types import SimpleNamespace

import click
import numpy as np
import pytest

from benchmarks import sequence, sequence_training
from benchmarks.sequence_training import Clock
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.sizes import Sizes


def ratings_of(log):
    pairs = [(user, item) for user, items in enumerate(log, 2) for item in items]
    user, item = np.array(pairs, np.int32).T
    return Ratings(user, item, np.ones_like(user), np.ones(len(user), np.float32))


@pytest.fixture
def time(monkeypatch):
    """A clock of the test: seconds of the wall, and twice as many of the CPU."""
    now = SimpleNamespace(seconds=100.0)
    module = SimpleNamespace(
        monotonic=lambda: now.seconds, process_time=lambda: 2 * now.seconds
    )
    monkeypatch.setattr(sequence_training, "time", module)
    return now


def test_warm_steps_do_not_count(time):
    clock = Clock(at_least=5.0, warm_steps=2)
    for seconds, targets in ((50, 9), (10, 8), (2, 7), (3, 6)):
        assert not clock.is_over
        time.seconds += seconds
        clock.count(rows=3, positions=12, targets=targets)
    assert clock.is_over
    assert clock == Clock(5.0, 0, 2, 6, 24, 7 + 6, seconds=5.0, cpu_seconds=10.0)


def test_a_call_may_have_several_steps(time):
    clock = Clock(at_least=1.0, warm_steps=16)
    for _ in range(2):
        time.seconds += 4
        clock.count(rows=32, positions=64, targets=0, steps=16)
    assert (clock.steps, clock.rows, clock.seconds) == (16, 32, 4.0)


def test_padding_is_no_token():
    batches = [{f.ITEM_INDEX: np.array([[0, 0, 5], [0, 7, 3]])}]
    assert sequence.count_targets(batches * 2) == 2 * 3


def test_peers_get_the_pieces_that_ours_learn_from(tmp_path, monkeypatch):
    settings = sequence.SETTINGS | {"max_history_length": 2}
    monkeypatch.setattr(sequence, "SETTINGS", settings)
    monkeypatch.setattr(sequence, "SAMPLE", 1)
    data = SimpleNamespace(train_ratings=ratings_of([[2, 3, 4, 5], [6], [7, 2]]))
    sequence.write_histories(data, tmp_path)

    def read(name):
        with open(tmp_path / name) as file:
            return [row[:2] for row in csv.reader(file, delimiter="\t")][1:]

    def items_by_user(rows):
        return [
            [int(item) for user, item in rows if user == number]
            for number in sorted({user for user, _ in rows})
        ]

    # Pieces of two targets each, which follow one item; the newest first.
    expected = [[3, 4, 5], [2, 3], [7, 2]]
    assert items_by_user(read("histories/histories.inter")) == expected
    [sampled] = items_by_user(read("sample/sample.inter"))
    assert sampled in expected
    # All that are scored; 6 is in no piece, as nothing follows it.
    items = [["2"], ["3"], ["4"], ["5"], ["7"]]
    assert read("sample/sample.item") == read("histories/histories.item") == items


def data_of(log):
    data = Data([], [], {}, Sizes(num_users=2 + len(log), num_items=9), 0)
    data.__dict__["train_ratings"] = ratings_of(log)
    return data


@pytest.fixture
def _small(monkeypatch):
    small = {"max_history_length": 4, "batch_size": 2, "embedding_dim": 4}
    monkeypatch.setattr(sequence, "SETTINGS", sequence.SETTINGS | small)
    monkeypatch.setattr(sequence, "STEPS_PER_CALL", 2)
    monkeypatch.setattr(sequence, "WARM_STEPS", 2)


@pytest.mark.usefixtures("_small")
def test_steps_of_ours_have_as_many_histories_as_those_of_the_peers():
    with pytest.raises(click.ClickException, match="has 1 histories"):
        sequence.ours("gru4rec", data_of([[2, 3]] * 199), seconds=1e-9)


@pytest.mark.usefixtures("_small")
def test_ours_counts_the_targets_of_the_measured_steps():
    # Each piece is [2, 3], so that each has one target.
    found = sequence.ours("gru4rec", data_of([[2, 3]] * 400), seconds=1e-9)
    assert (found.steps, found.rows, found.positions) == (2, 4, 16)
    assert found.targets == 4
    assert found.candidates == 8  # the catalogue, and the unknown item


def made(targets, seconds, cpu_seconds=1.0):
    return sequence.Measured(2, 4, 80, targets, seconds, cpu_seconds, 9)


def test_output_of_a_peer_is_read(tmp_path, monkeypatch):
    clock = Clock(1.0, 0, 2, 4, 80, 30, 2.0, 3.0)
    line = json.dumps({**vars(clock), "candidates": 9})
    monkeypatch.setattr(sequence, "run_peer", lambda *_, folder: line)
    found = sequence.theirs("RecTools", "sasrec", tmp_path, 1.0)
    assert found == made(30, 2.0, 3.0)
    assert (found.speed, found.cpu_speed) == (15.0, 10.0)
    assert found.step == "2 rows, 40 positions, 15 targets, 9 candidates"


def test_ratios_are_of_the_same_round():
    figures = sequence.figures_of(
        "sasrec",
        {
            "ours": [made(100, 1), made(300, 1), made(200, 1)],
            "RecTools": [made(50, 1), made(100, 1, 0.5), made(200, 1)],
        },
    )
    assert {figure.what: figure.value for figure in figures} == {
        "sasrec, ours": 200,
        "sasrec, ours: a step": 50,
        "sasrec, RecTools": 100,
        "sasrec, RecTools: a step": 25,
        "sasrec, ours / RecTools, medians": 2,
        "sasrec, ours / RecTools, lowest of 3 rounds": 1,
        "sasrec, ours / RecTools, highest": 3,
        "sasrec, ours / RecTools, by CPU seconds": 1,
    }
    assert [figure.reached for figure in figures if figure.target] == [True]

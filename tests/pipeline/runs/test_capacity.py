"""How many steps may run at once."""

import pytest

from pipeline import machine
from pipeline.config.sections import BeamConfig, RunConfig
from pipeline.runs.capacity import beam_processes, capacity, parse_size


@pytest.fixture
def has(monkeypatch):
    """Sets the cores and the memory (GB) of the machine."""

    def _has(cores, memory, gpu=False):
        monkeypatch.setattr(machine, "has_gpu", lambda: gpu)
        monkeypatch.setattr(machine, "cores", lambda: cores)
        total = machine.Memory(memory * 1e9, memory * 1e9, is_limited=False)
        monkeypatch.setattr(machine, "memory", lambda: total)

    return _has


@pytest.mark.parametrize(
    ("cores", "memory", "bytes_of_ratings", "jobs"),
    [
        (1, 64, 0, 1),
        (2, 24, 2_000_000, 2),
        (16, 64, 2_000_000, 16),
        (16, 8, 0, 4),  # 6.4 GB are 1.0 GB and four times 1.3 GB
        (16, 64, 226_000_000, 16),  # 10 million ratings: 2.66 GB per step
        (16, 32, 226_000_000, 9),
        (4, 2, 0, 1),  # not even one fits by the estimate
    ],
)
def test_auto_is_what_cores_and_memory_allow(
    has, cores, memory, bytes_of_ratings, jobs
):
    has(cores, memory)
    assert capacity(RunConfig(), bytes_of_ratings).jobs == jobs


def test_a_number_may_exceed_the_cores_but_not_the_memory(has):
    has(2, 24)
    assert capacity(RunConfig(jobs=4)).jobs == 4
    few = capacity(RunConfig(jobs=4, max_memory="4GB"))
    assert few.jobs == 2
    assert str(few) == (
        "Steps that may run at once: 2 (4 were requested; 2 cores, and 4.0 GB of memory"
        " for about 1.3 GB per step)"
    )


def test_several_steps_on_a_gpu_have_to_be_set(has):
    has(16, 64, gpu=True)
    auto = capacity(RunConfig())
    assert auto.jobs == 1
    assert "all memory of a GPU" in str(auto)
    assert capacity(RunConfig(jobs=3)).jobs == 3
    assert beam_processes(BeamConfig(), auto, 238_000_000) == 1


@pytest.mark.parametrize(
    ("text", "size"), [("8GB", 8e9), ("500 MB", 5e8), ("1.5GB", 1.5e9)]
)
def test_sizes_are_decimal(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("config", "cores", "memory", "bytes_of_ratings", "processes"),
    [
        (BeamConfig(), 2, 24, 24_000_000, 1),  # 1 million ratings
        (BeamConfig(), 2, 24, 238_000_000, 2),  # 10 million
        (BeamConfig(), 8, 24, 238_000_000, 8),
        (BeamConfig(), 8, 8, 238_000_000, 5),  # 6.4 GB: 1.0, 2.73 and 5 times 0.5 GB
        (BeamConfig(), 8, 2, 238_000_000, 1),
        (BeamConfig(processes=3), 2, 2, 0, 3),
        (BeamConfig(processes=1), 8, 24, 238_000_000, 1),
        (BeamConfig(runner="flink", processes=3), 8, 24, 238_000_000, 1),
    ],
)
def test_large_data_is_worth_as_many_processes_as_cores_and_memory_allow(
    has, config, cores, memory, bytes_of_ratings, processes
):
    has(cores, memory)
    for jobs in (1, 2):
        at_once = capacity(RunConfig(jobs=jobs), bytes_of_ratings)
        assert beam_processes(config, at_once, bytes_of_ratings) == processes

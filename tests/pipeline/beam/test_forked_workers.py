"""Beam's workers as processes of this machine, forked with everything imported."""

import multiprocessing
import os
import signal

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.beam import forked_workers
from pipeline.beam.options import beam_args, process_flags
from pipeline.config.sections import BeamConfig


@pytest.fixture
def start():
    """Runs a function on some numbers, in a pipeline with two processes."""
    forked_workers.register()
    flags = [*process_flags(2), *beam_args(BeamConfig())]

    def run(function):
        with beam.Pipeline(options=PipelineOptions(flags)) as pipeline:
            numbers = pipeline | beam.Create(range(8), reshuffle=True)
            _ = numbers | beam.Map(function)

    return run


def test_each_process_has_a_part_of_the_elements(start, tmp_path):
    def note(number):  # nested, so that it is pickled with its code
        (tmp_path / f"{os.getpid()}-{number}").touch()

    start(note)
    found = [path.name.split("-") for path in tmp_path.iterdir()]
    assert sorted(int(number) for _, number in found) == list(range(8))
    processes = {int(process) for process, _ in found}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert not multiprocessing.active_children()


def test_an_exception_in_a_process_is_raised_here(start):
    def fail(number):
        raise ValueError(f"bad number {number}")

    with pytest.raises(RuntimeError, match="bad number"):
        start(fail)


@pytest.mark.timeout(120)
def test_a_process_that_is_killed_fails_the_step_instead_of_hanging(start):
    def die(number):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match="Beam worker ended"):
        start(die)


def test_one_process_has_no_flags():
    assert process_flags(1) == []

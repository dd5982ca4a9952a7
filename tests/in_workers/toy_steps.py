"""Toy components for runs whose steps run side by side; a worker imports them.

Run as a program, it runs two steps that wait for ever, until it is stopped.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tfx import v1 as tfx
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter, component
from tfx.v1.types.standard_artifacts import Examples, Model

from pipeline.runs import stopping
from pipeline.runs.local_runner import run_locally

SECONDS = 60


class TwoPartsError(ValueError):
    """An exception whose constructor has other parameters than the message."""

    def __init__(self, file, line):
        super().__init__(f"{file}, line {line}")


@component
def make_data(examples: OutputArtifact[Examples]):
    Path(examples.uri, "data").write_text("ratings")


@component
def meet(
    examples: InputArtifact[Examples],
    place: Parameter[str],
    own: Parameter[str],
    other: Parameter[str],
    model: OutputArtifact[Model],
):
    """Ends when two of it have run at the same time, and takes down its process."""
    Path(place, own).write_text(str(os.getpid()))
    deadline = time.monotonic() + SECONDS
    while not Path(place, other).exists():
        assert time.monotonic() < deadline, f"{other} did not come"
        time.sleep(0.01)


@component
def act(
    examples: InputArtifact[Examples],
    what: Parameter[str],
    model: OutputArtifact[Model],
):
    """Does one thing, by its name."""
    if what == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "is terminated":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS)
    if what == "raises":
        raise TwoPartsError("ratings.csv", 14)
    if what == "writes":
        os.write(2, b"half a line, ")
        logging.getLogger("toy").info("two\nlines of Python")
        print("standard output")
        os.write(2, b"C++ \xff without an end")
    if what == "reports":
        progress = {"model": "toy", "epoch": 1, "epochs": 2}
        log = logging.getLogger("marquee.progress")
        log.info("epoch", extra={"progress": progress})
        log.warning("all of it: %s", "100%")
    Path(model.uri, "process").write_text(str(os.getpid()))


@component
def wait_for_ever(
    examples: InputArtifact[Examples],
    place: Parameter[str],
    model: OutputArtifact[Model],
):
    """Leaves its process and that of a child in a file, and does not end."""
    child = subprocess.Popen(["sleep", "600"])
    pids = Path(place, f"{os.getpid()}.new")
    pids.write_text(f"{os.getpid()} {child.pid}")
    pids.rename(pids.with_suffix(".pids"))
    time.sleep(600)


def pipeline_of(folder, *components):
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(folder / "metadata.sqlite")
    )
    return tfx.dsl.Pipeline(
        "toy",
        str(folder / "artifacts"),
        components=list(components),
        metadata_connection_config=store,
        enable_cache=True,
    )


if __name__ == "__main__":
    import toy_steps  # not __main__, which a worker does not have

    # A shell starts a command in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = Path(sys.argv[1])
    data = toy_steps.make_data().with_id("Data")
    steps = [
        toy_steps.wait_for_ever(
            examples=data.outputs["examples"], place=str(out)
        ).with_id(f"Step_{name}")
        for name in "ab"
    ]
    with stopping.stopped_by_signals():
        run_locally(
            pipeline_of(out, data, *steps), "1", print, lambda step: print(step), 2
        )

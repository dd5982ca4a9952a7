"""A model's process that does not answer, with a stand-in for the model."""

import asyncio
import multiprocessing
import socket
import time

from pipeline.serving import model_process
from pipeline.serving.model_messages import Line
from pipeline.serving.model_process import ModelProcess


async def hanging():
    """A process that reads nothing; as ``ModelProcess`` is after ``connect``."""
    model = ModelProcess.__new__(ModelProcess)
    context = multiprocessing.get_context("spawn")
    model._process = context.Process(target=time.sleep, args=(600,), daemon=True)
    model._process.start()
    ours, theirs = socket.socketpair()
    model._lines, model._free, model._hung_up = [], asyncio.Queue(), False
    model._ours = [ours]
    await model.connect()
    assert isinstance(model._lines[0], Line)
    return model, theirs


def test_a_stand_in_that_does_not_answer_is_killed(monkeypatch):
    monkeypatch.setattr(model_process, "HANG_SECONDS", 0.2)

    async def run():
        model, theirs = await hanging()
        assert model.alive
        with theirs:
            answers = await asyncio.gather(
                *(model.ask("recommend", [{}, {}]) for _ in range(2))
            )
        assert [[each.status for each in answer] for answer in answers] == [
            [503] * 2
        ] * 2
        assert not model.alive
        await asyncio.to_thread(model._process.join, 30)
        assert model._process.exitcode == -9

    asyncio.run(run())

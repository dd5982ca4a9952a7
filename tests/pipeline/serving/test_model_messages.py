"""Messages between an event loop and a process that waits for them."""

import asyncio
import socket
import threading

import numpy as np
import pytest
import uvloop

from pipeline.serving.model_messages import Line, packed, receive


def answer(end, times):
    """Answers so many messages, each with itself twice, and hangs up."""
    with end, end.makefile("rb") as stream:
        for _ in range(times):
            message = receive(stream)
            end.sendall(packed([message, message]))


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    """Returns what runs a coroutine: the server's loop is uvloop's."""
    return request.param


@pytest.fixture
def ours():
    """Returns the socket of an end whose other end answers twice."""
    ours, theirs = socket.socketpair()
    answering = threading.Thread(target=answer, args=(theirs, 2))
    answering.start()
    yield ours
    ours.close()
    answering.join(10)
    assert not answering.is_alive()


async def asked(end, messages):
    """Returns the answers to messages that are sent one after the other."""
    line = await Line.over(end)
    try:
        return [await line.ask(message) for message in messages]
    finally:
        line.close()


@pytest.mark.parametrize("size", [0, 1, 10_000_000])
def test_an_answer_of_any_size_arrives_whole(run, ours, size):
    message = {"user_id": np.array([b"ann\0"], object), "text": b"x" * size}
    for first, second in run(asked(ours, [message, message])):
        assert first["user_id"].tolist() == second["user_id"].tolist() == [b"ann\0"]
        assert first["text"] == second["text"] == b"x" * size


@pytest.mark.parametrize("more", [1, 2])
def test_an_end_that_hung_up_is_an_error_every_time(run, ours, more):
    async def scenario():
        line = await Line.over(ours)
        for _ in range(2):
            await line.ask("a")
        for _ in range(more):
            with pytest.raises((OSError, EOFError)):
                await line.ask("b")
        line.close()
        with pytest.raises((OSError, EOFError)):
            await line.ask("c")

    run(scenario())


def test_a_line_that_is_closed_ends_the_call_that_waits(run):
    async def scenario():
        ours, theirs = socket.socketpair()
        with theirs:
            line = await Line.over(ours)
            call = asyncio.create_task(line.ask("a"))
            await asyncio.sleep(0.01)
            line.close()
            with pytest.raises((OSError, EOFError)):
                await call

    run(scenario())


def test_a_message_that_is_cut_off_is_the_end():
    ours, theirs = socket.socketpair()
    with theirs, theirs.makefile("rb") as stream:
        with ours:
            ours.sendall(packed("a")[:-1])
        with pytest.raises(EOFError):
            receive(stream)

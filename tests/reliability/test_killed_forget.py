"""Kills of `marquee forget` at any moment: a repetition finishes what is left."""

import random
import shutil
import time

import pytest

from components.ratings_example_gen.spans import find_spans, fingerprint
from pipeline.retraining.spans import TakenIn
from tests.support.byte_search import places
from tests.support.logs import write_span

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(3600)]

KILLS = 40
USER = "user-zebra-7731"


def test_a_killed_forget_is_finished_by_the_next(tmp_path, starter):
    chance = random.Random(20261129)
    spans, out = tmp_path / "spans", tmp_path / "out"
    for day in range(3):
        write_span(
            spans, day, rows=[f"{USER},i{n},5,{1_794_700_800 + n}" for n in "123"]
        )
    ended = starter.run(
        *("retrain", "--data", spans, "--out", out, "--models", "popularity,mf_als"),
        *("--set", "models.mf_als.embedding_dim=8", "--set", "gate.min_users=20"),
        *("--set", "serving.max_latency_ms=10000"),
    )
    assert ended.status == 0, ended.text
    kept_spans, kept_out = tmp_path / "kept-spans", tmp_path / "kept-out"
    shutil.copytree(spans, kept_spans)
    shutil.copytree(out, kept_out)
    expected = {
        path.relative_to(spans): "".join(
            line for line in path.open() if not line.startswith(USER)
        )
        for path in spans.rglob("*.csv")
    }
    command = ("forget", "--user", USER, "--apply", "--out", out)
    seconds, states = 0.0, set()
    for number in range(KILLS + 1):
        for source, target in ((kept_spans, spans), (kept_out, out)):
            shutil.rmtree(target)
            shutil.copytree(source, target)
        began = time.monotonic()
        starter.start(*command)
        if number == 0:  # the first is not killed, to learn how long it takes
            assert starter.wait() == 0, starter.text()
            seconds = time.monotonic() - began
        else:
            time.sleep(chance.uniform(0, 1.1 * seconds))
            starter.kill()
            left = places(tmp_path / "out", USER) | places(tmp_path / "spans", USER)
            states.add(len(left))
            again = starter.run(*command)
            assert again.status == 0, again.text
        assert places(out, USER) == places(spans, USER) == set()
        assert {
            path.relative_to(spans): path.read_text() for path in spans.rglob("*.csv")
        } == expected
        assert not list(spans.rglob(".unfinished*"))
        assert not list(out.rglob("*unfinished*"))
        assert not list((out / "live").glob("[0-9]*"))
        recorded = TakenIn.read(out)
        assert recorded.last is None
        assert recorded.spans == {
            span.name: fingerprint(span) for span in find_spans(str(spans))
        }
    print(f"numbers of files with the ID after a kill: {sorted(states)}")
    assert len(states) > 3

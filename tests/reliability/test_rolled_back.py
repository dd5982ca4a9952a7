"""After a rollback, the next runs do not push the same model again."""

import json
import shutil

import pytest

from components.live_models import push
from tests.support.logs import write_log
from tests.support.starter import run_arguments
from trainer_modules import features as f

pytestmark = pytest.mark.reliability


def test_the_next_runs_do_not_push_what_a_person_rolled_back_from(tmp_path, starter):
    out, other, log = tmp_path / "out", tmp_path / "other", tmp_path / "log.csv"
    write_log(log)
    # A model that was live before the first run into this folder.
    ended = starter.run(*run_arguments(log, other), "--set", "models.gmf.epochs=1")
    assert ended.status == 0, ended.text
    model = tmp_path / "model"
    shutil.copytree(other / "live" / "1", model)
    card = model / f.CARD_FILE
    card.write_text(
        json.dumps(json.loads(card.read_text()) | {"origin": "Trainer_gmf/model/999"})
    )
    push.push(model, out / "live", keep=5)
    alone = ("--set", "gate.without_baseline=floors_only")
    ended = starter.run(*run_arguments(log, out), *alone)
    assert ended.status == 0, ended.text
    assert live(starter, out) == [1, 2]

    assert starter.run("rollback", "--out", out).status == 0
    for setting in ("gate.max_loss=0.04", "gate.max_loss=0.05", "gate.max_loss=0.04"):
        ended = starter.run(*run_arguments(log, out), *alone, "--set", setting)
        assert ended.status == 5, ended.text
        assert "rolled back from" in " ".join(ended.text.split())
        assert live(starter, out) == [1, 2, 3]
    # Trained with another seed it is another model, which is judged like any other.
    ended = starter.run(*run_arguments(log, out), *alone, "--set", "train.seed=7")
    assert ended.status == 0, ended.text
    assert live(starter, out) == [1, 2, 3, 4]

    assert starter.run("rollback", "2", "--out", out).status == 0
    ended = starter.run(*run_arguments(log, out), *alone)
    assert ended.status == 0, ended.text
    assert "rolled back from" not in " ".join(ended.text.split())


def live(starter, out):
    listed = json.loads(starter.run("versions", "--json", "--out", out).text)
    return sorted(version["number"] for version in listed)

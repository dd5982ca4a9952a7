"""The command in this process, and versions that were live."""

import json
from types import SimpleNamespace

import pytest

from components.live_models import push
from pipeline.cli import command


@pytest.fixture
def marquee(capfd, monkeypatch, tmp_path):
    """Runs the command in an empty folder; returns its status and both outputs."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()  # discards what the test's imports printed
        with pytest.raises(SystemExit) as end:
            command.main(arguments, prog_name="marquee")
        return SimpleNamespace(
            status=end.value.code or 0, **capfd.readouterr()._asdict()
        )

    return run


@pytest.fixture
def pushed(tmp_path):
    """Pushes versions 1 and 2, of two models, below the default output folder."""
    live = tmp_path / "marquee-out" / "live"
    for name in ("mf_als", "neumf"):
        card = tmp_path / name / "assets.extra" / "marquee.json"
        card.parent.mkdir(parents=True)
        card.write_text(json.dumps({"model": name, "origin": f"Trainer_{name}"}))
        (tmp_path / name / "saved_model.pb").write_text(name)
        push.push(tmp_path / name, live, keep=5)
    return live

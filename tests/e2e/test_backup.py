"""A backup made by the documented commands can be restored and retrained elsewhere."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.logs import write_span

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
RETRAIN = (
    "marquee retrain --data {spans} --out {out} --models mf_als "
    "--set models.mf_als.embedding_dim=8 --set gate.min_users=20 "
    "--set serving.max_latency_ms=10000"
)


def documented(heading):
    """Returns the lines of the shell blocks below a heading of the page."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [
        line
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        for line in block.splitlines()
    ]


def test_a_backup_restored_elsewhere_goes_on_where_it_was(shell, tmp_path):
    spans, out = tmp_path / "spans", tmp_path / "marquee-out"
    for day in range(3):
        write_span(spans, day)
    shell(RETRAIN.format(spans=spans, out=out), tmp_path)
    firing = {"event": "ended", "due": "2026-11-19T03:00:00Z", "exit_status": 0}
    firing |= {"cron": "0 3 * * *", "timezone": "UTC", "verdict": "it went well"}
    (out / "schedule.jsonl").write_text(json.dumps(firing) + "\n")
    ledger = json.loads((out / "live" / ".ledger.json").read_text())
    ran = [shell(line, tmp_path) for line in documented("Back up and restore")]
    assert "as pushed" in ran[-1]

    elsewhere = tmp_path / "another" / "place"
    elsewhere.parent.mkdir()
    (tmp_path / "backup").rename(elsewhere)
    shutil.rmtree(out)  # the copy must not refer to the original
    assert json.loads((elsewhere / "live" / ".ledger.json").read_text()) == ledger
    log = shell(f"marquee schedule --log --out {elsewhere}", tmp_path)
    assert "it went well" in " ".join(log.split())
    again = shell(RETRAIN.format(spans=spans, out=elsewhere), tmp_path)
    assert "othing new" in again, again

    write_span(spans, 3)
    shell(f"{RETRAIN.format(spans=spans, out=elsewhere)}; test $? -eq 0 -o $? -eq 5",
          tmp_path)  # fmt: skip
    shown = json.loads(shell(f"marquee show --json --out {elsewhere}", tmp_path))
    assert shown["spans"]["new"] == ["2026-11-18"]
    assert all(step["error"] is None for step in shown["steps"])
    # The live model was found, read and judged in its new place.
    judged = {step["name"]: step["state"] for step in shown["steps"]}
    assert judged["LiveEvaluator"] == "done"
    assert shown["gate"]["live"]["problem"] == ""
    assert shown["gate"]["live"]["model"] == "mf_als"
    assert not out.exists()
    lineage = shell(f"marquee lineage --out {elsewhere}", tmp_path)
    assert "mf_als" in lineage

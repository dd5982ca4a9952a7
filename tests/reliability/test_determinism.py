"""The same input gives the same output, in any process and folder.

This holds on CPUs: GPU kernels may add in any order.
"""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODELS = "popularity,mf_als,gmf"
WAYS = {
    "first": {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "TZ": "UTC"},
    "second/deeper": {
        "PYTHONHASHSEED": "77",
        "OMP_NUM_THREADS": "2",
        "TZ": "Asia/Tokyo",
    },
}
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def run(folder, changed):
    """Runs in a new process whose working folder is not the output folder."""
    folder.mkdir(parents=True)
    threads = dict.fromkeys(THREADS, changed["OMP_NUM_THREADS"])
    process = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", "--models", MODELS]
        + ["--out", str(folder / "out")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **changed, **threads},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    [record] = (folder / "out").glob("runs/*/run.json")
    return folder / "out", json.loads(record.read_text())


def examples(out):
    """Returns split/file → uncompressed bytes, since gzip's header has a time."""
    found = out.glob("artifacts/RatingsExampleGen/examples/*/Split-*/*.gz")
    return {f"{p.parent.name}/{p.name}": gzip.decompress(p.read_bytes()) for p in found}


def numbers(value, path=""):
    """Returns every number in a value of ``run.json`` by its path."""
    if isinstance(value, dict):
        return {
            k: v
            for n, part in value.items()
            for k, v in numbers(part, f"{path}/{n}").items()
        }
    if isinstance(value, list):
        return {
            k: v
            for i, part in enumerate(value)
            for k, v in numbers(part, f"{path}/{i}").items()
        }
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {path: value} if is_number else {}


def judged(models):
    return {
        m["name"]: numbers({k: m[k] for k in ("metrics", "slices")}) for m in models
    }


@pytest.mark.reliability
@pytest.mark.timeout(3600)
def test_another_process_folder_hash_seed_and_thread_count_change_nothing(tmp_path):
    (one, run_one), (two, run_two) = (
        run(tmp_path / name, changed) for name, changed in WAYS.items()
    )
    ours, theirs = examples(one), examples(two)
    assert len(ours) >= 3
    assert sum(map(len, ours.values())) > 1_000_000
    assert ours == theirs
    first, second = judged(run_one["models"]), judged(run_two["models"])
    assert set(first) == set(second) == set(MODELS.split(","))
    for name, metrics in first.items():
        assert len(metrics) > 10
        assert second[name] == pytest.approx(metrics, abs=1e-6, nan_ok=True), name
    assert [m["verdict"] for m in run_one["models"]] == [
        m["verdict"] for m in run_two["models"]
    ]

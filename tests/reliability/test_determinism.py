"""Same input, same output: in another process, folder, order of hashes, threads.

On a CPU: kernels of a GPU may add in any order.
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
    """A whole run in a new process, which works in another folder than it writes to."""
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
    [told] = (folder / "out").glob("runs/*/run.json")
    return folder / "out", json.loads(told.read_text())


def examples(out):
    """Split and name → bytes of the records' file; gzip's own header has a time."""
    found = out.glob("artifacts/RatingsExampleGen/examples/*/Split-*/*.gz")
    return {f"{p.parent.name}/{p.name}": gzip.decompress(p.read_bytes()) for p in found}


def numbers(told, path=""):
    """Path in a run → every number that a model was judged by."""
    if isinstance(told, dict):
        return {
            k: v
            for n, of in told.items()
            for k, v in numbers(of, f"{path}/{n}").items()
        }
    if isinstance(told, list):
        return {
            k: v
            for i, of in enumerate(told)
            for k, v in numbers(of, f"{path}/{i}").items()
        }
    is_number = isinstance(told, (int, float)) and not isinstance(told, bool)
    return {path: told} if is_number else {}


def judged(told):
    return {m["name"]: numbers({k: m[k] for k in ("metrics", "slices")}) for m in told}


@pytest.mark.reliability
@pytest.mark.timeout(3600)
def test_another_process_folder_hash_seed_and_thread_count_change_nothing(tmp_path):
    (one, told_one), (two, told_two) = (
        run(tmp_path / name, changed) for name, changed in WAYS.items()
    )
    ours, theirs = examples(one), examples(two)
    assert len(ours) >= 3
    assert sum(map(len, ours.values())) > 1_000_000
    assert ours == theirs
    first, second = judged(told_one["models"]), judged(told_two["models"])
    assert set(first) == set(second) == set(MODELS.split(","))
    for name, metrics in first.items():
        assert len(metrics) > 10
        assert second[name] == pytest.approx(metrics, abs=1e-6, nan_ok=True), name
    assert [m["verdict"] for m in told_one["models"]] == [
        m["verdict"] for m in told_two["models"]
    ]

"""``python -m benchmarks.kubernetes WORKFLOW``: compares pods with a local run.

WORKFLOW is a finished run on MovieLens 100K in the cluster of KUBECONFIG (``make
test-kubernetes`` leaves some). Its pods' logs have their time and memory. Then
``marquee run`` runs the same models and settings locally. ``--write`` puts the table
into docs/results/kubernetes.md.
"""

import datetime
import io
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.figures import console, machine
from benchmarks.processes import MarqueeRun, marquee

PAGE = Path(__file__).parents[1] / "docs" / "results" / "kubernetes.md"
DATA = "ml-100k"
# The same as in the first run of tests/kubernetes/test_runs.py.
MODELS = "mf_als,gmf"
SETTINGS = ("models.mf_als.embedding_dim=16", "models.gmf.epochs=2")
_STEP = re.compile(r"^Step (\w+): (\w+)$", re.MULTILINE)
_MEASURED = re.compile(r"^([\d.]+) s, at most (\d+) MiB$", re.MULTILINE)


class Pod(NamedTuple):
    """The pod of a step.

    Attributes:
        step: Name of the step.
        pod_seconds: Seconds of the pod.
        seconds: Seconds of its process.
        mebibytes: Peak memory of that process.
    """

    step: str
    pod_seconds: float
    seconds: float
    mebibytes: int


def kubectl(*words: str) -> str:
    """Returns the output of ``kubectl WORDS`` in the namespace of the runs."""
    command = ["kubectl", "--namespace", "kubeflow", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def pods(workflow: str) -> list[Pod]:
    """Returns the pods of a run's executed steps in the order of their ends."""
    selector = f"workflows.argoproj.io/workflow={workflow}"
    found = json.loads(kubectl("get", "pods", "--selector", selector, "-o", "json"))
    ended = {}
    for pod in found["items"]:
        log = kubectl("logs", pod["metadata"]["name"], "--container", "main")
        step, measured = _STEP.search(log), _MEASURED.search(log)
        if step and measured:
            started = _time(pod["status"]["startTime"])
            states = [c["state"] for c in pod["status"]["containerStatuses"]]
            end = max(_time(state["terminated"]["finishedAt"]) for state in states)
            taken = Pod(step[1], end - started, float(measured[1]), int(measured[2]))
            ended[end, step[1]] = taken
    return [ended[key] for key in sorted(ended)]


def _time(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def printed(taken: list[Pod], wall: float, here: MarqueeRun) -> str:
    """Returns the table as Markdown."""
    local = {step.name: step.seconds for step in here.record.steps}
    table = Table(
        *("step", "pod, s", "of it the process, s", "its peak, MiB", "locally, s"),
        box=box.MARKDOWN,
    )
    for pod in taken:
        table.add_row(
            pod.step,
            f"{pod.pod_seconds:.0f}",
            f"{pod.seconds:.1f}",
            f"{pod.mebibytes}",
            f"{local[pod.step]:.1f}",
        )
    peak = here.peak_bytes / 2**20
    table.add_row(
        *("all of it", f"{wall:.0f}", f"{sum(pod.seconds for pod in taken):.0f}"),
        *(f"{max(pod.mebibytes for pod in taken)}", ""),
    )
    table.add_row(
        *("the local run", "", "", f"{peak:.0f}"),
        f"{here.record.run.seconds:.0f}",
    )
    text = io.StringIO()
    Console(file=text, width=100).print(table)
    return text.getvalue().strip()


@click.command()
@click.argument("workflow")
@click.option("--write", is_flag=True, help=f"Write the table to {PAGE.name}.")
def main(workflow: str, write: bool) -> None:
    """Compare a run's pods with the same run on this machine."""
    before: dict[str, Any] = machine()
    status = json.loads(kubectl("get", "workflow", workflow, "-o", "json"))["status"]
    wall = _time(status["finishedAt"]) - _time(status["startedAt"])
    taken = pods(workflow)
    with tempfile.TemporaryDirectory() as folder:
        here = marquee(Path(folder, "out"), DATA, MODELS, *SETTINGS)
    table = printed(taken, wall, here)
    console.print(table)
    if write:
        today = datetime.datetime.now(datetime.UTC).date()
        head = PAGE.read_text().split("\n## Measured\n")[0]
        PAGE.write_text(
            f"{head}\n## Measured\n\n{today}, {before['cores']} cores, "
            f"{before['memory_gb']:.0f} GB, load {before['load_average']:.1f} at the "
            f"start of the local run:\n\n{table}\n"
        )


if __name__ == "__main__":
    main()

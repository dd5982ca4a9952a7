"""The entry point of the pods, run as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubeflow.entrypoint import packed, unpacked
from pipeline.runs.code_version import version_of_all

ROOT = Path(__file__).parents[2]


def test_a_workflow_of_other_sources_is_refused():
    """Its cache keys contain their hash, and would find outputs of other code."""
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.entrypoint"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MARQUEE_SOURCES": "0123456789ab"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "compiled from sources 0123456789ab, and this image holds" in done.stderr
    assert "Compile the pipeline again" in done.stderr


def test_an_image_shows_its_sources():
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.entrypoint", "--sources"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == version_of_all()


@pytest.mark.parametrize("text", ["", "zlib:", '{"name":"Amélie"}' * 1000])
def test_a_packed_argument_comes_back_whole(text):
    assert unpacked(packed(text)) == text


def test_a_packed_argument_is_small_and_any_other_stays_as_it_is():
    assert len(packed('{"name":"Amélie"}' * 1000)) < 300
    assert unpacked('{"mysql":"zlib:"}') == '{"mysql":"zlib:"}'


# Replaces MySQL by a file, and prints which of the modules were executed.
STEP = """
import os, sys
from kubeflow import entrypoint
from pipeline import tfx_imports

_, file, *arguments = sys.argv
with tfx_imports.without_executors():
    from tfx.orchestration import metadata
    from tfx.orchestration.kubeflow import container_entrypoint
store = metadata.sqlite_metadata_connection_config(file)
container_entrypoint._get_metadata_connection_config = lambda _: store
status = entrypoint.main(arguments)
heavy = ("tensorflow", "apache_beam", "tfx.v1", "tfx.components.schema_gen.executor")
print(sorted(set(heavy) & set(sys.modules)))
sys.stdout.flush()
os._exit(status)
"""


def test_a_step_imports_its_executor_only_if_it_is_not_in_the_cache(tmp_path):
    from kubeflow import targets, tasks
    from kubeflow.cluster import Cluster, Volume
    from pipeline.cli.command import read_config

    volume = Volume(path=str(tmp_path))
    cluster = Cluster(
        root=f"{tmp_path}/root", live_folder=f"{tmp_path}/live", volume=volume
    )
    config = read_config("/marquee/ratings", None, (), "popularity")
    pipeline = targets.pipeline_for_pods(config, cluster, spans=False)
    [step] = [
        task
        for task in tasks.tasks(pipeline, cluster, "the run")
        if task.name == "ImportSchemaGen"
    ]

    def output(run: str) -> list[str]:
        # The last --metadata_ui_path counts.
        words = [run if word == "the run" else word for word in step.arguments]
        words += ["--metadata_ui_path", str(tmp_path / "ui.json")]
        done = subprocess.run(
            [sys.executable, "-c", STEP, str(tmp_path / "store.sqlite"), *words],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "MARQUEE_SOURCES": version_of_all(),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [line for line in done.stdout.splitlines() if line[:1] in "S["]

    *_, ended, executed = output("first")
    assert ended == "Step ImportSchemaGen: done"
    assert "tfx.components.schema_gen.executor" in executed
    *_, ended, executed = output("second")
    assert ended == "Step ImportSchemaGen: cached"
    assert executed == "[]"

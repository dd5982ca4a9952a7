"""A model is trained by workers in pods of their own, which are deleted meanwhile."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(3600)]
WORKERS = ("--selector", "app.kubernetes.io/name=marquee-worker")
RIGHTS = Path(__file__).parents[2] / "kubeflow" / "manifests" / "workers"
EPOCHS = 40
TRAINER = "trainer-gmf"


@pytest.fixture(scope="module")
def allowed(applied):
    """The cluster, whose Trainers may start pods."""
    applied("apply", "--kustomize", str(RIGHTS))
    yield applied
    applied("delete", "--kustomize", str(RIGHTS))


@pytest.fixture(scope="module")
def run_of_workers(compiled):
    def compile_(name, workers, epochs=EPOCHS, target="argo"):
        return compiled(
            name,
            *("--models", "gmf", "--set", f"train.workers={workers}"),
            *("--set", "train.checkpoint_every=1s"),
            *("--set", f"models.gmf.epochs={epochs}"),
            *("--set", f"models.gmf.patience={epochs}"),
            target=target,
            database="_workers",
        )

    return compile_


@pytest.fixture(scope="module")
def story(allowed, run_of_workers, create):
    run = create(run_of_workers("workers", 2))

    def after(epoch, of_jobs):
        """The Trainer's log, once an epoch has ended by the given number of Jobs."""
        pods = run.pods(TRAINER)
        is_running = pods and pods[-1]["status"]["phase"] == "Running"
        log = run.log(TRAINER) if is_running else ""
        is_there = f"gmf: epoch {epoch}/" in log and len(jobs(log)) == of_jobs
        return log if is_there else None

    allowed.until(lambda: after(5, 1), 900, "no worker is at work")
    [pod] = allowed.get("pods", *WORKERS)["items"]
    delete_pod(allowed, pod)
    log = allowed.until(lambda: after(15, 2), 600, "no worker replaces the deleted one")
    delete_pod(allowed, run.pods(TRAINER)[-1])
    phase = run.ended()
    return SimpleNamespace(phase=phase, pod=pod, log=log, last=run.log(TRAINER))


def jobs(log):
    return set(re.findall(r"marquee-workers-\w{8}", log))


def delete_pod(cluster, pod):
    cluster("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")


def epochs(log):
    """Returns epoch → its loss and nDCG."""
    found = re.findall(rf"epoch (\d+)/{EPOCHS}, loss ([\d.]+), ndcg ([\d.]+)", log)
    return {int(epoch): (float(a), float(b)) for epoch, a, b in found}


def test_a_deleted_worker_is_replaced_and_the_training_goes_on(story):
    assert story.log.count("The workers start again, from the last checkpoint") == 1
    assert re.search(r"worker \d of 2 (was killed|lost|ended)", story.log)
    assert story.log.count(f"epoch 1/{EPOCHS},") == 1  # not from the beginning


def test_a_deleted_trainer_goes_on_from_its_checkpoint(story):
    assert story.phase == "Succeeded"
    assert "goes on from a checkpoint" in story.last
    assert not jobs(story.log) & jobs(story.last)
    assert min(epochs(story.last)) > 10
    assert max(epochs(story.last)) == EPOCHS


def test_a_worker_is_a_copy_of_the_trainers_pod(story):
    spec = story.pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    [container] = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"] == "3Gi"
    [mount] = [m for m in container["volumeMounts"] if m["name"] == "marquee"]
    assert mount["mountPath"] == "/marquee"


def test_nothing_is_left_of_the_workers(story, allowed):
    kinds = "jobs,services,pods"
    assert story.phase == "Succeeded"
    allowed.until(
        lambda: "marquee-workers" not in allowed("get", kinds, "--output", "name"),
        60,
        "a Job, a Service or a pod of the workers is left",
    )


def test_each_epoch_is_that_of_one_process(story, run_of_workers, create):
    run = create(run_of_workers("alone", 1))
    assert run.ended() == "Succeeded"
    alone = epochs(run.log(TRAINER))
    assert alone.keys() == set(range(1, EPOCHS + 1))
    for number, values in (epochs(story.log) | epochs(story.last)).items():
        assert values == pytest.approx(alone[number], abs=2e-3), number


def test_kubeflow_pipelines_trains_by_workers_too(story, run_of_workers, submit):
    run = submit(run_of_workers("kubeflow", 2, epochs=2, target="kfp"))
    assert run.ended() == "Succeeded"
    assert len(jobs(run.log(TRAINER))) == 1
    assert "epoch 2/2," in run.log(TRAINER)


def test_without_the_rights_the_run_fails_and_names_them(
    story, allowed, run_of_workers, create
):
    allowed("delete", "--kustomize", str(RIGHTS))
    run = create(run_of_workers("forbidden", 3))
    assert run.ended() == "Failed"
    assert "kubeflow/manifests/workers" in run.log(TRAINER)
    allowed("apply", "--kustomize", str(RIGHTS))

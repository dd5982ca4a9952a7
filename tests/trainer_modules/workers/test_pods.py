"""What is created for workers in pods; tests/kubernetes/test_workers.py runs them."""

import json
import queue
import threading
from types import SimpleNamespace

import kubernetes_validate
import pytest
from kubernetes.client import ApiException
from urllib3.exceptions import ProtocolError

from trainer_modules.workers import pods

KUBERNETES = "1.33"
TOKEN = {"name": "kube-api-access-x", "projected": {"sources": []}}
# As Argo and Kubernetes make it of a Trainer's template.
OWN = {
    "metadata": {
        "name": "run-trainer-gmf-1",
        "uid": "7a3c",
        "labels": {"workflows.argoproj.io/workflow": "run"},
    },
    "spec": {
        "serviceAccountName": "marquee",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001},
        "nodeSelector": {"gpu": "a100"},
        "nodeName": "node-1",
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "initContainers": [{"name": "init", "image": "argoexec"}],
        "containers": [
            {"name": "wait", "image": "argoexec", "volumeMounts": []},
            {
                "name": "main",
                "image": "marquee:gpu",
                "imagePullPolicy": "IfNotPresent",
                "command": ["/var/run/argo/argoexec", "emissary", "--", "python"],
                "env": [{"name": "HOME", "value": "/tmp"}],
                "resources": {"limits": {"memory": "8Gi", "nvidia.com/gpu": "1"}},
                "securityContext": {"readOnlyRootFilesystem": True},
                "volumeMounts": [
                    {"name": "marquee", "mountPath": "/marquee"},
                    {"name": "scratch", "mountPath": "/tmp"},
                    {"name": "kube-api-access-x", "mountPath": "/var/run/secrets"},
                ],
            },
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "marquee", "persistentVolumeClaim": {"claimName": "marquee"}},
            TOKEN,
        ],
    },
}
ADDRESSES = ["10.1.2.3:2222", "w-0.w:2222", "w-1.w:2222"]


@pytest.fixture
def made():
    return pods.objects(OWN, "w", "s3://bucket/order.json", ADDRESSES)


def test_kubernetes_knows_every_field(made):
    for found in made:
        kubernetes_validate.validate(found, KUBERNETES, strict=True)


def test_each_pod_finds_itself_and_the_others(made):
    service, job = made
    template = job["spec"]["template"]["spec"]
    # The Job names a pod after itself and its index, in the domain of the Service.
    assert template["subdomain"] == service["metadata"]["name"] == "w"
    assert job["metadata"]["name"] == service["spec"]["selector"]["job-name"] == "w"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 2
    *_, index, config = template["containers"][0]["env"]
    assert "job-completion-index" in index["valueFrom"]["fieldRef"]["fieldPath"]
    # Kubernetes replaces $(NAME) by a variable that is defined before.
    expanded = config["value"].replace(f"$({index['name']})", "1")
    found = json.loads(expanded)
    assert found["cluster"] == {"chief": ADDRESSES[:1], "worker": ADDRESSES[1:]}
    assert found["task"]["type"] == "worker"
    assert int(found["task"]["index"]) == 1


def test_a_pod_is_like_the_trainers_but_for_what_is_that_ones_own(made):
    _, job = made
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    [own] = [c for c in OWN["spec"]["containers"] if c["name"] == "main"]
    for key in ("image", "imagePullPolicy", "resources", "securityContext"):
        assert container[key] == own[key]
    for key in ("nodeSelector", "tolerations", "securityContext", "serviceAccountName"):
        assert pod[key] == OWN["spec"][key]
    assert "nodeName" not in pod
    assert "initContainers" not in pod
    assert {v["name"] for v in pod["volumes"]} == {"scratch", "marquee"}
    assert {m["name"] for m in container["volumeMounts"]} == {"scratch", "marquee"}
    # Argo must not take it for a step of the workflow.
    assert "workflow" not in str(job["spec"]["template"]["metadata"])


def test_the_trainers_pod_owns_them(made):
    for found in made:
        [owner] = found["metadata"]["ownerReferences"]
        assert (owner["name"], owner["uid"]) == ("run-trainer-gmf-1", "7a3c")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "message": "0/1 nodes are available: 1 Insufficient memory.",
                    }
                ]
            },
            "0/1 nodes are available: 1 Insufficient memory.",
        ),
        (
            {
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "containerStatuses": [
                    {"name": "main", "state": {"waiting": {"message": "no image x"}}}
                ],
            },
            "no image x",
        ),
        ({}, ""),
    ],
)
def test_why_a_pod_waits_is_what_kubernetes_gives_as_the_reason(status, reason):
    assert pods._waits_for({"status": status}) == reason


@pytest.fixture
def followed(monkeypatch):
    """Follows a worker, of whom Kubernetes returns some pods, one after the other."""
    monkeypatch.setattr(pods, "POLL_SECONDS", 0.0)

    class OfFakePods(pods.PodWorkers):
        def __init__(self, states):
            self.reports, self._lines = queue.Queue(), [[]]
            self._is_over, self._image = threading.Event(), "sha256:1"
            self._states = iter(states)

        def _pod_of(self, number):
            return next(self._states)

        def _read(self, number, name, num_heard):
            return num_heard

    def follow(*states):
        workers = OfFakePods(states)
        workers._follow(1)
        return workers.reports.get_nowait(), workers.last_lines(1)

    return follow


def pod(phase, state=None, image="sha256:1", **more):
    containers = [{"name": "main", "imageID": image, "state": state}] if state else []
    status = {"phase": phase, "containerStatuses": containers, **more}
    return {"metadata": {"name": "w-0"}, "status": status}


RUNNING = pod("Running", {"running": {}})


@pytest.mark.parametrize(
    ("code", "status"), [(0, 0), (75, 75), (137, -9), (143, -15), (255, 255)]
)
def test_the_status_of_a_fake_pod_is_that_of_its_process(followed, code, status):
    ended = pod("Failed", {"terminated": {"exitCode": code}})
    report, _ = followed(None, pod("Pending"), RUNNING, RUNNING, ended)
    assert (report.worker, report.status, report.error) == (1, status, None)


def test_a_fake_pod_that_is_evicted_or_deleted_has_died(followed):
    evicted = pod("Failed", message="The node was low on memory.")
    report, lines = followed(evicted, evicted)
    assert report.status == -15
    assert lines == "The node was low on memory."
    report, lines = followed(RUNNING, None)
    assert report.status == -15
    assert lines == "The pod was deleted."


def test_a_fake_pod_with_another_image_is_an_error(followed):
    report, _ = followed(pod("Running", {"running": {}}, image="sha256:2"))
    assert "has the image sha256:2, and the Trainer's has sha256:1" in report.error


@pytest.fixture
def reading(monkeypatch):
    """Reads the log of a fake pod, over several connections."""
    monkeypatch.setattr(pods, "POLL_SECONDS", 0.0)
    workers = pods.PodWorkers.__new__(pods.PodWorkers)
    workers.reports, workers._lines = queue.Queue(), [[]]
    workers._namespace = "kubeflow"

    def read(*connections):
        given = iter(connections)

        def connect(*_, **__):
            parts = next(given)
            if isinstance(parts, Exception):
                raise parts
            return SimpleNamespace(stream=lambda amt: streamed(parts))

        def streamed(parts):
            for part in parts:
                if isinstance(part, Exception):
                    raise part
                yield part

        workers._core = SimpleNamespace(read_namespaced_pod_log=connect)
        num_heard = 0
        for _ in connections:
            num_heard = workers._read(1, "w-0", num_heard)
        statuses = [workers.reports.get().error for _ in range(workers.reports.qsize())]
        return statuses, workers.last_lines(1)

    return read


def test_a_log_that_breaks_off_is_read_on_and_no_line_is_heard_twice(reading):
    whole = [b'{"error": "a"}\nwarn', b'ing\n{"error": "b"}\n']
    broken = [whole[0], ProtocolError("reset")]
    assert reading(broken, whole, whole) == (["a", "b"], "warning")


def test_a_log_of_a_pod_that_is_gone_is_empty_and_a_lack_of_rights_is_an_error(reading):
    assert reading(ApiException(404)) == ([], "")
    with pytest.raises(ApiException):
        reading(ApiException(403))

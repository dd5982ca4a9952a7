"""Workers on Kubernetes: the chief beside the Trainer, each other one in its own pod.

The pods are those of an Indexed Job, whose headless Service gives them names by which
they find each other (https://kubernetes.io/docs/tasks/job/job-with-pod-to-pod-communication).
They are copies of the Trainer's pod. Jobs are sent, and pods are read, as JSON: the
models of the locked client are older than Indexed Jobs, whose fields they would drop.
"""

import collections
import contextlib
import hashlib
import json
import os
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import kubernetes
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from trainer_modules.workers.local import LAST_LINES, WORKER, LocalWorkers, tf_config
from trainer_modules.workers.reports import Report, progress_log

PORT = 2222  # of each worker, in a pod of its own
NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
POD = "KFP_POD_NAME"  # set by Argo's and Kubeflow's workflows
POLL_SECONDS = 1.0
TIMEOUT = (5, 30)  # seconds until a connection is made, and without data
TRAINING = "marquee-training"  # label of the Jobs of all attempts of a training
_INDEX = "batch.kubernetes.io/job-completion-index"
_COPIED = (
    *("affinity", "imagePullSecrets", "nodeSelector", "priorityClassName"),
    *("runtimeClassName", "securityContext", "serviceAccountName", "tolerations"),
)

Object = dict[str, Any]


class PodError(RuntimeError):
    """Kubernetes does not let the Trainer have pods for its workers."""


class PodWorkers:
    """The workers of one attempt; all of them have ended when it is left.

    Attributes:
        reports: What is heard from the workers, in the order of arrival.
    """

    def __init__(self, order: str, count: int):
        """Starts the chief here, and a Job for the others.

        Args:
            order: File with the arguments of the Trainer, which all pods can read.
            count: Number of workers.

        Raises:
            PodError: If Kubernetes refuses to create the Job or its Service.
        """
        self._name = f"marquee-workers-{uuid.uuid4().hex[:8]}"
        self._lines = [
            collections.deque[str](maxlen=LAST_LINES) for _ in range(count - 1)
        ]
        self._is_over = threading.Event()
        try:
            addresses = self._create(order, count)
        except (kubernetes.client.ApiException, HTTPError) as error:
            raise PodError(
                f"the Trainer cannot start pods for its workers: {_reason(error)}. "
                "Give its service account the rights of kubeflow/manifests/workers "
                "(docs/kubeflow.md), or remove train.workers"
            ) from error
        progress_log.info("the Job %s starts a pod for each worker", self._name)
        self._chief = LocalWorkers(order, addresses, [0])
        self.reports = self._chief.reports
        for number in range(1, count):
            threading.Thread(target=self._follow, args=[number], daemon=True).start()

    def _create(self, order: str, count: int) -> list[str]:
        """Creates the Job and its Service; returns the addresses of all workers."""
        self._core, self._jobs = _clients()
        self._namespace = NAMESPACE.read_text()
        own = self._pod(os.environ[POD])
        self._image = _main(own["status"], "containerStatuses")["imageID"]
        host = own["status"]["podIP"]
        addresses = [f"[{host}]:{PORT}" if ":" in host else f"{host}:{PORT}"]
        addresses += [
            f"{self._name}-{number}.{self._name}:{PORT}" for number in range(count - 1)
        ]
        # An attempt that was killed leaves its Job, if its pod is still there.
        self._jobs.delete_collection_namespaced_job(
            self._namespace,
            label_selector=f"{TRAINING}={_label(order)}",
            propagation_policy="Background",
            _request_timeout=TIMEOUT,
        )
        service, job = objects(own, self._name, order, addresses)
        for create, body in (
            (self._core.create_namespaced_service, service),
            (self._jobs.create_namespaced_job, job),
        ):
            create(self._namespace, body, _request_timeout=TIMEOUT)
        return addresses

    def __enter__(self) -> "PodWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._chief.__exit__()
        for delete in (
            self._jobs.delete_namespaced_job,
            self._core.delete_namespaced_service,
        ):
            # What is left is removed with the Trainer's pod, which owns it.
            with contextlib.suppress(kubernetes.client.ApiException, HTTPError):
                delete(
                    self._name,
                    self._namespace,
                    propagation_policy="Background",
                    _request_timeout=TIMEOUT,
                )

    def last_lines(self, number: int) -> str:
        """Returns the end of what a worker has written to its standard streams."""
        if number == 0:
            return self._chief.last_lines(0)
        return "\n".join(self._lines[number - 1])

    def _pod(self, name: str) -> Object:
        found = self._core.read_namespaced_pod(
            name, self._namespace, _preload_content=False, _request_timeout=TIMEOUT
        )
        pod: Object = json.loads(found.data)
        return pod

    def _pod_of(self, number: int) -> Object | None:
        """Returns the pod of a worker; None if there is none."""
        found = self._core.list_namespaced_pod(
            self._namespace,
            label_selector=f"job-name={self._name}",
            _preload_content=False,
            _request_timeout=TIMEOUT,
        )
        for pod in json.loads(found.data)["items"]:
            if pod["metadata"]["annotations"].get(_INDEX) == str(number - 1):
                return dict(pod)
        return None

    def _follow(self, number: int) -> None:
        """Passes on the reports of a worker until its pod has ended."""
        try:
            name, num_heard = self._started(number), 0
            while (status := self._ended(number)) is None:
                num_heard = self._read(number, name, num_heard)
            self.reports.put(Report(number, status=status))
        except Exception as error:  # of any kind: the run waits for a report
            if not self._is_over.is_set():
                self.reports.put(Report(number, error=_reason(error)))

    def _started(self, number: int) -> str:
        """Waits for the pod of a worker to run; returns its name.

        Raises:
            PodError: If it has another image than the Trainer.
        """
        shown = ""
        while True:
            pod = self._pod_of(number)
            if pod and pod["status"].get("phase") != "Pending":
                break
            waits = _waits_for(pod) if pod else ""
            if waits and waits != shown:
                progress_log.warning("worker %d waits: %s", number, waits)
                shown = waits
            if self._is_over.wait(POLL_SECONDS):
                raise PodError("the attempt has ended")
        image = _main(pod["status"], "containerStatuses").get("imageID")
        if image and image != self._image:
            raise PodError(
                f"its pod has the image {image}, and the Trainer's has {self._image}: "
                "the tag was given to another image in between. Start the run again"
            )
        return str(pod["metadata"]["name"])

    def _ended(self, number: int) -> int | None:
        """Returns the status of a worker that has ended, None for one that runs."""
        pod = self._pod_of(number)
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            self._lines[number - 1].append("The pod was deleted.")
            return -signal.SIGTERM
        state = _main(pod["status"], "containerStatuses").get("state", {})
        if ended := state.get("terminated"):
            code = int(ended["exitCode"])
            # 128 is added to the number of a signal, of which there are 64.
            return 128 - code if 128 < code <= 192 else code
        if pod["status"]["phase"] == "Failed":  # evicted before it ran
            self._lines[number - 1].append(pod["status"].get("message", ""))
            return -signal.SIGTERM
        return None

    def _read(self, number: int, name: str, num_heard: int) -> int:
        """Reads the log of a pod until the connection or the pod ends.

        Args:
            number: Number of the worker.
            name: Name of its pod.
            num_heard: Number of lines that were passed on before the connection broke.

        Returns:
            The number of lines so far.
        """
        count, rest = 0, b""
        try:
            log = self._core.read_namespaced_pod_log(
                name,
                self._namespace,
                follow=True,
                _preload_content=False,
                # A worker writes each second: without data, the connection is dead.
                _request_timeout=TIMEOUT,
            )
            for part in log.stream(amt=None):
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    count += 1
                    if count > num_heard:
                        self._hear(number, line.decode(errors="replace"))
        except HTTPError as error:
            progress_log.debug("the log of worker %d broke off: %s", number, error)
        except kubernetes.client.ApiException as error:
            if error.status not in (400, 404):  # the pod has ended in the meantime
                raise
        time.sleep(POLL_SECONDS)  # until Kubernetes has noticed the end
        return max(count, num_heard)

    def _hear(self, number: int, line: str) -> None:
        """Passes on a report, and keeps any other line."""
        try:
            self.reports.put(Report(number, **json.loads(line)))
        except (ValueError, TypeError):
            self._lines[number - 1].append(line)


def objects(
    own: Object, name: str, order: str, addresses: list[str]
) -> tuple[Object, Object]:
    """Returns the headless Service and the Job of all workers but the chief.

    Args:
        own: The Trainer's pod.
        name: Name of both.
        order: File with the arguments of the Trainer.
        addresses: Host and port of each worker, the chief first.
    """
    container = _main(own["spec"], "containers")
    # Kubernetes adds the account's token to each pod by itself.
    volumes = [v for v in own["spec"].get("volumes", ()) if "projected" not in v]
    kept = {volume["name"] for volume in volumes}
    index = {"fieldRef": {"fieldPath": f"metadata.annotations['{_INDEX}']"}}
    copied = ("image", "imagePullPolicy", "resources", "securityContext")
    worker: Object = {
        **{key: container[key] for key in copied if key in container},
        "name": "main",
        "command": ["python", "-m", WORKER, order],
        "env": [
            *container.get("env", ()),
            {"name": "WORKER_INDEX", "valueFrom": index},
            {"name": "TF_CONFIG", "value": tf_config(addresses, "$(WORKER_INDEX)")},
        ],
        "envFrom": container.get("envFrom", []),
        "ports": [{"containerPort": PORT}],
        "volumeMounts": [m for m in container["volumeMounts"] if m["name"] in kept],
    }
    metadata = {
        "name": name,
        "labels": {TRAINING: _label(order)},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": own["metadata"]["name"],
                "uid": own["metadata"]["uid"],
            }
        ],
    }
    pods = {
        "metadata": {"labels": {"app.kubernetes.io/name": "marquee-worker"}},
        "spec": {
            **{key: own["spec"][key] for key in _COPIED if key in own["spec"]},
            "subdomain": name,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [worker],
            "volumes": volumes,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"job-name": name},
        },
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completionMode": "Indexed",
            "completions": len(addresses) - 1,
            "parallelism": len(addresses) - 1,
            "backoffLimit": 0,  # all workers are started again together
            "ttlSecondsAfterFinished": 600,
            "template": pods,
        },
    }
    return service, job


def _label(order: str) -> str:
    """Returns the same label for all attempts of a training."""
    return hashlib.sha256(order.encode()).hexdigest()[:16]


def _clients() -> tuple[Any, Any]:
    """Returns the APIs of pods and of jobs, which overcome short interruptions."""
    kubernetes.config.load_incluster_config()
    configuration = kubernetes.client.Configuration.get_default_copy()
    configuration.retries = Retry(
        total=6, backoff_factor=1, status_forcelist=(500, 502, 503, 504)
    )
    api = kubernetes.client.ApiClient(configuration)
    return kubernetes.client.CoreV1Api(api), kubernetes.client.BatchV1Api(api)


def _main(part: Object, containers: str) -> Object:
    """Returns the container that runs the step, in a pod's spec or its status.

    The status of a pod that has not run is empty.
    """
    [found] = [c for c in part.get(containers, ()) if c["name"] == "main"] or [{}]
    return dict(found)


def _waits_for(pod: Object) -> str:
    """Returns why a pod does not run yet, as far as Kubernetes gives a reason."""
    status = pod["status"]
    reasons = [
        condition.get("message", "")
        for condition in status.get("conditions", ())
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    for container in status.get("containerStatuses", ()):
        waiting = container["state"].get("waiting", {})
        reasons.append(waiting.get("message", ""))
    return "; ".join(filter(None, reasons))


def _reason(error: Exception) -> str:
    """Returns what Kubernetes answered, in one line."""
    if isinstance(error, kubernetes.client.ApiException) and error.body:
        with contextlib.suppress(ValueError, KeyError):
            return str(json.loads(error.body)["message"])
    return str(error)

"""What a cluster is like, and how a YAML file says so.

``kubeflow/cluster.yaml`` has every key with its default. Nothing here is a secret:
secrets are named, and stay in the cluster.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pipeline.config import secrets
from pipeline.config.errors import ConfigError
from pipeline.config.plain_yaml import read_yaml

TRAINER = "Trainer"
GPU = "nvidia.com/gpu"  # Kubernetes' name of the resource

Name = Annotated[str, Meta(min_length=1)]
# Of a Secret, a claim or an account.
ObjectName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)
]
SecretKeyName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]
Quantity = Annotated[str, Meta(pattern=r"^\d+(\.\d+)?(m|[kMGT]|[KMGT]i)?$")]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^/].*[^/]$")]
_QUANTITY = re.compile(r"([\d.]+)(\w*)")
_SCALE = {
    **{"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
    **{"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40},
}
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
Number = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a step's pod asks for, and how long it may try.

    Attributes:
        cpu: Requested; the scheduler keeps it free.
        memory: Requested.
        cpu_limit: At most; beyond, the pod is slowed.
        memory_limit: At most; beyond, the pod is killed.
        timeout_seconds: Of one attempt; None for no limit.
        retries: Attempts after the first, whatever ended it: an error, a lost node, a
            deleted pod.
        backoff_seconds: Before the first retry; twice as long before each further one.
    """

    cpu: Quantity = "500m"
    memory: Quantity = "1Gi"
    cpu_limit: Quantity = "2"
    memory_limit: Quantity = "4Gi"
    timeout_seconds: Positive | None = 3600
    retries: Number = 2
    backoff_seconds: Positive = 30


class Toleration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a taint, as Kubernetes spells it."""

    key: Name
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Training(Step, frozen=True, forbid_unknown_fields=True):
    """What a Trainer's pod asks for beside that.

    Attributes:
        gpus: Number of ``nvidia.com/gpu``; 0 on a cluster without any.
        accelerator: Their kind on Vertex AI; on Kubernetes ``node_selector`` says that.
        node_selector: Labels that its node must have.
        tolerations: Of that node's taints.
    """

    memory: Quantity = "2Gi"
    memory_limit: Quantity = "8Gi"
    timeout_seconds: Positive | None = 6 * 3600
    gpus: Number = 1
    accelerator: Name = "NVIDIA_TESLA_T4"
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = (
        Toleration("nvidia.com/gpu", effect="NoSchedule"),
    )


class Volume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A PersistentVolumeClaim, and where every pod has it."""

    claim: ObjectName = "marquee"
    path: AbsolutePath = "/marquee"


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metadata store: MySQL, or MariaDB.

    Attributes:
        host: Of the Service.
        port: Of it.
        database: Made by the first run.
        secret: Secret with the keys ``user`` and ``password``.
    """

    host: Name = "marquee-metadata"
    port: Positive = 3306
    database: Name = "marquee"
    secret: ObjectName = "marquee-metadata"


class S3(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object store that speaks S3.

    Attributes:
        endpoint: With its scheme; empty for Amazon's own.
        region: Of the bucket.
        secret: Secret with the keys of an account.
        access_key: The name of the one in it.
        secret_key: Of the other.
    """

    endpoint: str = ""
    region: Name = "us-east-1"
    secret: ObjectName = "marquee-s3"
    access_key: SecretKeyName = "accesskey"
    secret_key: SecretKeyName = "secretkey"


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told that a run failed: a Secret's key that holds the URL."""

    secret: ObjectName = "marquee-webhook"
    key: SecretKeyName = "url"


class Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cluster.

    Attributes:
        root: Of the artifacts: ``s3://…``, ``gs://…`` or a folder of the volume.
        live_folder: Of the live versions, a folder of the volume: a version appears by
            one rename, which object stores do not have.
        volume: Where that is.
        metadata: The store.
        s3: The object store; not needed where nothing is ``s3://…``.
        webhook: Told of failures; null tells nobody.
        service_account: Of the pods.
        user: And group that they run as; any but root's 0.
        image_pull_policy: Of their image; None leaves it to Kubernetes.
        timezone: Of the cron schedules. Kubeflow Pipelines' controller must have the
            same in ``CRON_SCHEDULE_TIMEZONE``; Argo takes it from the file.
        steps: Step, or kind of steps → what differs from ``Step``, and of Trainers from
            ``Training``: ``Trainer_neumf`` counts more than ``Trainer``, and that more
            than ``default``.
    """

    root: Name = "/marquee/artifacts"
    live_folder: AbsolutePath = "/marquee/live"
    volume: Volume = Volume()
    metadata: Metadata = Metadata()
    s3: S3 | None = None
    webhook: Webhook | None = Webhook()
    service_account: ObjectName = "marquee"
    user: Positive = 10001
    image_pull_policy: PullPolicy | None = "IfNotPresent"
    timezone: Name = "UTC"
    steps: dict[str, dict[str, Any]] = {}

    def step(self, name: str) -> Step:
        """Returns what one step asks for: a ``Training`` for a Trainer.

        Raises:
            ConfigError: It asks for more than it may use, which Kubernetes refuses.
        """
        kind = name.partition("_")[0]
        values: dict[str, Any] = {}
        for key in dict.fromkeys(("default", kind, name)):
            values |= self.steps.get(key, {})
        step = msgspec.convert(values, _struct_of(name))
        for what, wanted, limit in (
            ("cpu", step.cpu, step.cpu_limit),
            ("memory", step.memory, step.memory_limit),
        ):
            if number(wanted) > number(limit):
                message = (
                    f"{what} is {wanted}, more than {what}_limit, which is {limit}"
                )
                raise ConfigError(None, None, f"steps.{name}", message)
        return step


def number(quantity: str) -> float:
    """Returns the value of what Kubernetes calls a quantity: 500m is 0.5, 2Ki 2048."""
    found = _QUANTITY.fullmatch(quantity)
    assert found, quantity  # the type of the setting has the same pattern
    return float(found[1]) * _SCALE[found[2]]


def _struct_of(name: str) -> type[Step]:
    return Training if name.partition("_")[0] == TRAINER else Step


def read_cluster(path: Path) -> Cluster:
    """Reads a cluster's file, and checks all of it.

    Raises:
        ConfigError: For the first thing that is wrong.
    """
    try:
        values = read_yaml(path)
        if found := secrets.problem(values):
            raise ConfigError(path, None, *found)
        cluster = msgspec.convert(values, Cluster)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        key = place.strip("`$.") or None
        raise ConfigError(path, None, key, message) from error
    for name, values in cluster.steps.items():
        try:
            msgspec.convert(values, _struct_of(name))
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at ")
            key = f"steps.{name}{place.strip('`$')}"
            raise ConfigError(path, None, key, message) from error
    if cluster.root.startswith("s3://") and cluster.s3 is None:
        message = "the artifacts are on s3://, and nothing says where that is"
        raise ConfigError(path, None, "s3", message)
    if not cluster.live_folder.startswith(f"{cluster.volume.path}/"):
        message = f"is not below the volume's path, {cluster.volume.path}"
        raise ConfigError(path, None, "live_folder", message)
    return cluster

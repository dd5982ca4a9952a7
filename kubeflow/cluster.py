"""Settings of a cluster, read from a YAML file.

``kubeflow/cluster.yaml`` has every key with its default. No setting holds a secret:
settings name the cluster's Secrets, whose values stay in the cluster.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pipeline.config import secrets
from pipeline.config.errors import ConfigError
from pipeline.config.plain_yaml import read_yaml

TRAINERS = ("Trainer", "Tuner")  # kinds of steps that train models
GPU = "nvidia.com/gpu"  # Kubernetes' name of the resource
GIGABYTE = 1e9  # in bytes; the unit of memory in a pipeline spec

Name = Annotated[str, Meta(min_length=1)]
# Name of a Secret, a volume claim or a service account.
ObjectName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)
]
SecretKeyName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]
Quantity = Annotated[str, Meta(pattern=r"^\d+(\.\d+)?(m|[kMGT]|[KMGT]i)?$")]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^/].*[^/]$")]
_QUANTITY = re.compile(r"([\d.]+)(\w*)")
_SCALE = {
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
Number = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Resources, time limit and retries of a step's pod.

    Attributes:
        cpu: Requested CPU cores, which the scheduler reserves.
        memory: Requested memory.
        cpu_limit: Maximum of CPU cores; a pod that needs more is throttled.
        memory_limit: Maximum of memory; a pod that needs more is killed.
        timeout_seconds: Time limit of one attempt; None for no limit.
        retries: Number of attempts after the first, whatever ended it: an error, a lost
            node or a deleted pod.
        backoff_seconds: Wait before the first retry; it doubles each time.
    """

    cpu: Quantity = "500m"
    memory: Quantity = "1Gi"
    cpu_limit: Quantity = "2"
    memory_limit: Quantity = "4Gi"
    timeout_seconds: Positive | None = 3600
    retries: Number = 2
    backoff_seconds: Positive = 30


class Toleration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A toleration of a node's taint, with the fields that Kubernetes has."""

    key: Name
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Training(Step, frozen=True, forbid_unknown_fields=True):
    """The same for the pod of a Trainer or a Tuner, with GPUs.

    Attributes:
        gpus: Number of ``nvidia.com/gpu``; 0 on a cluster without GPUs.
        accelerator: Type of the GPUs on Vertex AI; on Kubernetes, ``node_selector``
            chooses the type.
        node_selector: Labels that the pod's node must have.
        tolerations: Tolerations of that node's taints.
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
    """A PersistentVolumeClaim, and the path at which every pod mounts it."""

    claim: ObjectName = "marquee"
    path: AbsolutePath = "/marquee"


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metadata store: MySQL or MariaDB.

    Attributes:
        host: Host name of the Service.
        port: Port of the Service.
        database: Name of the database, which the first run creates.
        secret: Name of the Secret with the keys ``user`` and ``password``.
    """

    host: Name = "marquee-metadata"
    port: Positive = 3306
    database: Name = "marquee"
    secret: ObjectName = "marquee-metadata"


class S3(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object store with the S3 API.

    Attributes:
        endpoint: URL with its scheme; empty for Amazon S3.
        region: Region of the bucket.
        secret: Name of the Secret with the account's access key and secret key.
        access_key: The key in the Secret that holds the access key.
        secret_key: The key in the Secret that holds the secret key.
    """

    endpoint: str = ""
    region: Name = "us-east-1"
    secret: ObjectName = "marquee-s3"
    access_key: SecretKeyName = "accesskey"
    secret_key: SecretKeyName = "secretkey"


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The webhook that is notified of failed runs: a Secret's key holds its URL."""

    secret: ObjectName = "marquee-webhook"
    key: SecretKeyName = "url"


class Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cluster.

    Attributes:
        root: Root of the artifacts: ``s3://…``, ``gs://…`` or a folder on the volume.
        live_folder: Folder of the live versions, on the volume: a version is published
            by one rename, which object stores do not have.
        volume: The volume.
        metadata: The metadata store.
        s3: The object store; required if the artifacts are on ``s3://…``.
        webhook: The webhook that is notified of failures; None for no notifications.
        studies_secret: Name of the Secret with the keys ``user`` and ``password`` of
            the database that ``tuner.storage`` names.
        service_account: Service account of the pods.
        user: ID of the user and the group that the pods run as; not 0, which is root.
        image_pull_policy: Pull policy of the image; None for Kubernetes' default.
        timezone: Time zone of cron schedules. Kubeflow Pipelines' controller must have
            the same one in ``CRON_SCHEDULE_TIMEZONE``; Argo takes it from the file.
        steps: Name of a step, or of a kind of steps → the settings that differ from
            ``Step``, or for Trainers and Tuners from ``Training``. ``Trainer_neumf``
            takes precedence over ``Trainer``, and ``Trainer`` over ``default``.
    """

    root: Name = "/marquee/artifacts"
    live_folder: AbsolutePath = "/marquee/live"
    volume: Volume = Volume()
    metadata: Metadata = Metadata()
    s3: S3 | None = None
    webhook: Webhook | None = Webhook()
    studies_secret: ObjectName = "marquee-metadata"
    service_account: ObjectName = "marquee"
    user: Positive = 10001
    image_pull_policy: PullPolicy | None = "IfNotPresent"
    timezone: Name = "UTC"
    steps: dict[str, dict[str, Any]] = {}

    def step(self, name: str) -> Step:
        """Returns the settings of one step: a ``Training`` for a Trainer or a Tuner.

        Raises:
            ConfigError: If a request exceeds its limit, which Kubernetes rejects.
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
    """Returns the value of a Kubernetes quantity: 0.5 for 500m, 2048 for 2Ki."""
    found = _QUANTITY.fullmatch(quantity)
    assert found, quantity  # the setting's type has the same pattern
    return float(found[1]) * _SCALE[found[2]]


def _struct_of(name: str) -> type[Step]:
    return Training if name.partition("_")[0] in TRAINERS else Step


def read_cluster(path: Path) -> Cluster:
    """Reads and checks a cluster's file.

    Raises:
        ConfigError: If the file is not valid; it describes the first problem found.
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
        message = "the artifacts are on s3://, and no object store is configured"
        raise ConfigError(path, None, "s3", message)
    if not cluster.live_folder.startswith(f"{cluster.volume.path}/"):
        message = (
            f"is not below the volume's path, {cluster.volume.path}; choose a folder "
            "below it"
        )
        raise ConfigError(path, None, "live_folder", message)
    return cluster

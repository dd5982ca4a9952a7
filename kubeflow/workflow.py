"""Makes an Argo workflow of the pipeline: TFX compiles it, and this adds the cluster.

TFX's runner knows the steps, their arguments and their order. What a pod may do,
which failures a step outlives, and who is told of them, stands in no TFX pipeline.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import yaml
from google.protobuf import json_format
from tfx import v1 as tfx
from tfx.orchestration.kubeflow.proto import kubeflow_pb2
from tfx.proto.orchestration import pipeline_pb2

from kubeflow import entrypoint, notify
from kubeflow.cluster import Cluster, Step, Training
from pipeline.code_version import version_of_all
from pipeline.local_runner import needs

Workflow = dict[str, Any]
Template = dict[str, Any]

SCHEDULE = "marquee/schedule"  # annotations of the workflow
TIMEZONE = "marquee/timezone"
GPU = "nvidia.com/gpu"
EXIT_HANDLER = "notify"
# The one place that a pod can write to, beside the volume.
SCRATCH = "/tmp"
_UI_METADATA = f"{SCRATCH}/mlpipeline-ui-metadata.json"
_MYSQL_USER, _MYSQL_PASSWORD = "MYSQL_USER", "MYSQL_PASSWORD"
_FACTOR = 2  # by which the wait before a retry grows
_NOTIFY = Step(
    cpu="100m", memory="64Mi", cpu_limit="1", memory_limit="256Mi", timeout_seconds=300
)


def compiled(pipeline: tfx.dsl.Pipeline, image: str, cluster: Cluster) -> Workflow:
    """Compiles the pipeline.

    Args:
      pipeline: with a root that pods can reach.
      image: that every step runs in.
      cluster: that it is for.
    """
    workflow = _by_tfx(pipeline, image, cluster.metadata)
    spec = workflow["spec"]
    steps = {step_of(t): t for t in spec["templates"] if "container" in t}
    sources = version_of_all()
    for name, template in steps.items():
        _add_pod(template, cluster.step(name), cluster)
        _shorten(template["container"]["args"])
        template["container"]["args"] += ["--run_id", "{{workflow.name}}"]
        template["container"]["command"] = ["python", "-m", "kubeflow.entrypoint"]
        template["container"]["env"] += [
            {"name": entrypoint.SOURCES, "value": sources},
            _secret(_MYSQL_USER, cluster.metadata.secret, "user"),
            _secret(_MYSQL_PASSWORD, cluster.metadata.secret, "password"),
            *_s3_env(cluster),
        ]
        # Kubeflow's own cache knows nothing of what a step reads; TFX's does.
        template["metadata"]["labels"]["pipelines.kubeflow.org/enable_caching"] = (
            "false"
        )
    [dag] = [t["dag"] for t in spec["templates"] if "dag" in t]
    _outlive_failures(dag, steps)
    spec |= {
        "serviceAccountName": cluster.service_account,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": cluster.user,
            "runAsGroup": cluster.user,
            "fsGroup": cluster.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {
                "name": "marquee",
                "persistentVolumeClaim": {"claimName": cluster.volume.claim},
            },
        ],
    }
    if cluster.webhook:
        spec["onExit"] = EXIT_HANDLER
        spec["templates"].append(_exit_handler(image, cluster))
    return workflow


def step_of(template: Template) -> str:
    """The step's own name, of which Kubeflow makes another."""
    arguments = template["container"]["args"]
    return str(arguments[arguments.index("--node_id") + 1])


def node_of(template: Template) -> pipeline_pb2.PipelineNode:
    """The step as TFX compiled it."""
    arguments = template["container"]["args"]
    ir = json_format.Parse(
        arguments[arguments.index("--tfx_ir") + 1], pipeline_pb2.Pipeline()
    )
    [node] = [n for n in ir.nodes if n.pipeline_node.node_info.id == step_of(template)]
    return node.pipeline_node


def _by_tfx(pipeline: tfx.dsl.Pipeline, image: str, metadata: Any) -> Workflow:
    store = kubeflow_pb2.KubeflowMetadataConfig()
    store.mysql_db_service_host.value = metadata.host
    store.mysql_db_service_port.value = str(metadata.port)
    store.mysql_db_name.value = metadata.database
    store.mysql_db_user.environment_variable = _MYSQL_USER
    store.mysql_db_password.environment_variable = _MYSQL_PASSWORD
    runners = tfx.orchestration.experimental
    config = runners.KubeflowDagRunnerConfig(
        pipeline_operator_funcs=[lambda op: op],  # none: TFX's default is for gRPC
        tfx_image=image,
        kubeflow_metadata_config=store,
        metadata_ui_path=_UI_METADATA,
    )
    with tempfile.TemporaryDirectory() as folder:
        runners.KubeflowDagRunner(
            output_dir=folder, output_filename="workflow.yaml", config=config
        ).run(pipeline)
        workflow: Workflow = yaml.safe_load(Path(folder, "workflow.yaml").read_text())
    return workflow


def _shorten(arguments: list[str]) -> None:
    """Takes the white space out of TFX's JSON: half of a workflow's bytes."""
    for place, argument in enumerate(arguments):
        if argument.startswith("{\n"):
            arguments[place] = json.dumps(json.loads(argument), separators=(",", ":"))


def _add_pod(template: Template, step: Step, cluster: Cluster) -> None:
    """What a pod may take and do."""
    limits = {"cpu": step.cpu_limit, "memory": step.memory_limit}
    if isinstance(step, Training) and step.gpus:
        limits[GPU] = str(step.gpus)
        template["tolerations"] = [
            {key: value for key, value in msgspec.to_builtins(t).items() if value}
            for t in step.tolerations
        ]
        template["nodeSelector"] = dict(step.node_selector)
    template["activeDeadlineSeconds"] = step.timeout_seconds
    template["retryStrategy"] = {
        "limit": str(step.retries),
        "retryPolicy": "Always",  # "OnFailure" leaves a deleted pod where it is
        "backoff": {"duration": f"{step.backoff_seconds}s", "factor": str(_FACTOR)},
    }
    container = template["container"]
    container["imagePullPolicy"] = cluster.image_pull_policy
    container["resources"] = {
        "requests": {"cpu": step.cpu, "memory": step.memory},
        "limits": limits,
    }
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
    container["volumeMounts"] = [
        {"name": "scratch", "mountPath": SCRATCH},
        {"name": "marquee", "mountPath": cluster.volume.path},
    ]
    container.setdefault("env", []).append({"name": "HOME", "value": SCRATCH})


def _s3_env(cluster: Cluster) -> list[dict[str, Any]]:
    """What boto3, for Beam, and tensorflow-io, for TensorFlow, ask the environment."""
    s3 = cluster.s3
    if s3 is None:
        return []
    plain = {"AWS_REGION": s3.region, "AWS_EC2_METADATA_DISABLED": "true"}
    if s3.endpoint:
        # With its scheme: tensorflow-io takes a bare name for one that speaks TLS, and
        # tries each request for a minute.
        plain |= {"AWS_ENDPOINT_URL": s3.endpoint, "S3_ENDPOINT": s3.endpoint}
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        _secret("AWS_ACCESS_KEY_ID", s3.secret, s3.access_key),
        _secret("AWS_SECRET_ACCESS_KEY", s3.secret, s3.secret_key),
    ]


def _secret(name: str, secret: str, key: str) -> dict[str, Any]:
    """A variable whose value stays in the cluster."""
    reference = {"name": secret, "key": key}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def _outlive_failures(dag: dict[str, Any], steps: dict[str, Template]) -> None:
    """Runs what can run when a step has failed for good, as a local run does.

    Argo's ``dependencies`` want all to succeed, which would have one broken model keep
    all others from being compared.
    """
    dag["failFast"] = False
    task = {name: template["name"] for name, template in steps.items()}
    nodes = {t["name"]: node_of(t) for t in steps.values()}
    for entry in dag["tasks"]:
        entry.pop("dependencies", None)
        node = nodes[entry["template"]]
        needed, unions = needs(node)
        # A resolver also reads what steps made in earlier runs, and waits for none.
        parts = sorted(task[name] for name in needed & set(node.upstream_nodes))
        groups = [sorted(task[name] for name in union) for union in unions]
        parts += [
            f"({name}.Succeeded || {name}.Failed || {name}.Errored || {name}.Omitted)"
            for name in sorted({name for group in groups for name in group})
        ]
        parts += [
            f"({' || '.join(f'{name}.Succeeded' for name in group)})"
            for group in groups
        ]
        if parts:
            entry["depends"] = " && ".join(parts)


def _exit_handler(image: str, cluster: Cluster) -> Template:
    template: Template = {
        "name": EXIT_HANDLER,
        "container": {
            "name": "",
            "image": image,
            "command": ["python", "-m", "kubeflow.notify"],
            "args": [
                "{{workflow.name}}",
                "{{workflow.status}}",
                "{{workflow.failures}}",
            ],
        },
    }
    assert cluster.webhook
    _add_pod(template, _NOTIFY, cluster)
    template["container"]["env"].append(
        _secret(notify.URL, cluster.webhook.secret, cluster.webhook.key)
    )
    return template


def dumped(workflow: Workflow) -> str:
    """As a file, which ``kubectl create`` and the kfp client take."""
    return yaml.safe_dump(workflow, sort_keys=False, width=2**20)

"""Checks the manifests against Kubernetes' schemas and our rules."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

MANIFESTS = Path(__file__).parents[2] / "kubeflow" / "manifests"
KUBERNETES = "1.33"
FOLDERS = sorted(MANIFESTS.rglob("kustomization.yaml"))
FILES = sorted(set(MANIFESTS.rglob("*.yaml")) - set(FOLDERS))


def objects(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def pods() -> list[Any]:
    return [
        pytest.param(found["spec"]["template"]["spec"], id=found["metadata"]["name"])
        for path in FILES
        for found in objects(path)
        if found["kind"] in ("Deployment", "StatefulSet")
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_object_is_as_the_schema_of_its_kind_says(path):
    for found in objects(path):
        kubernetes_validate.validate(found, KUBERNETES, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_seen():
    [claim] = objects(MANIFESTS / "volume.yaml")
    claim["spec"]["accessMode"] = claim["spec"].pop("accessModes")
    with pytest.raises(kubernetes_validate.ValidationError, match="accessMode"):
        kubernetes_validate.validate(claim, KUBERNETES, strict=True)


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.parent.name)
def test_kustomize_applies_every_file_of_its_folder(path):
    [kustomization] = objects(path)
    there = {p.name for p in path.parent.glob("*.yaml")} - {path.name}
    resources = set(kustomization["resources"])
    assert {name for name in resources if name.endswith(".yaml")} == there
    for name in resources - there:
        assert (path.parent / name / path.name).resolve() in FOLDERS


def test_no_secret_is_written_down():
    assert not [f for path in FILES for f in objects(path) if f["kind"] == "Secret"]


@pytest.mark.parametrize("pod", pods())
def test_pods_run_as_no_root_with_no_rights_and_bounds(pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        # Flink's image writes its settings into its own folder.
        if "flink:" not in container["image"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_the_service_account_may_report_and_read_where_kubeflow_s_artifacts_go():
    account, role, binding = objects(MANIFESTS / "service-account.yaml")
    assert role["kind"] == "Role"  # of a namespace, not of the cluster
    assert role["rules"] == [
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["workflowtaskresults"],
            "verbs": ["create", "patch"],
        },
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["kfp-launcher"],
            "verbs": ["get"],
        },
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["mlpipeline-minio-artifact"],
            "verbs": ["get"],
        },
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [s["name"] for s in binding["subjects"]] == [account["metadata"]["name"]]

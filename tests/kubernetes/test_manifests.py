from pathlib import Path

import pytest

pytestmark = pytest.mark.kubernetes
MANIFESTS = Path(__file__).parents[2] / "kubeflow" / "manifests"
RUNNER = "--as=system:serviceaccount:kubeflow:marquee"


@pytest.mark.parametrize(
    ("folder", "number"), [(".", 6), ("flink", 6), ("lists", 3), ("workers", 2)]
)
def test_the_api_server_accepts_them(cluster, folder, number):
    said = cluster("apply", "--dry-run=server", "--kustomize", str(MANIFESTS / folder))
    assert len(said.splitlines()) >= number
    assert all("(server dry run)" in line for line in said.splitlines())


def test_the_runs_account_may_tell_argo_how_a_step_ended(applied):
    assert applied("auth", "can-i", "create", "workflowtaskresults.argoproj.io", RUNNER)


@pytest.mark.parametrize(
    "words",
    [
        ("get", "secrets"),
        ("get", "pods"),
        ("get", "configmaps"),
        ("get", "secret", "marquee-metadata"),
        ("create", "configmap", "x"),
        ("get", "nodes"),
        ("delete", "workflows", "--all"),
        ("get", "pods", "--namespace", "kube-system"),
        ("create", "rolebinding", "x", "--clusterrole=admin", "--user=x"),
    ],
    ids=" ".join,
)
def test_and_nothing_else(applied, words):
    tried = applied.tried(*words, RUNNER)
    assert tried.returncode
    assert "Forbidden" in tried.stderr or "forbidden" in tried.stderr


def test_all_that_it_may_do_is_in_its_role(applied):
    table = applied("auth", "can-i", "--list", "--no-headers", RUNNER)
    allowed = {line.split()[0] for line in table.splitlines() if line[0] != " "}
    everybody = {"selfsubjectreviews.authentication.k8s.io"} | {
        f"selfsubject{kind}reviews.authorization.k8s.io" for kind in ("access", "rules")
    }
    kubeflow = {"configmaps", "secrets"}  # one of each, by name
    assert allowed - everybody == {"workflowtaskresults.argoproj.io"} | kubeflow


def test_a_privileged_pod_is_refused(applied):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged"},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "marquee",
                    "securityContext": {"privileged": True},
                }
            ]
        },
    }
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        applied.apply(pod)

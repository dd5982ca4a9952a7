"""The checks before anything is submitted, on fakes of both APIs."""

import pytest

from kubeflow.submit import main


def refused(fake, invoke, path, *words):
    """Returns the message, after checking that nothing was changed."""
    done = invoke(main, path, "--namespace", "ml", *words)
    assert done.exit_code == 2
    assert fake.changes == []
    [line] = done.output.splitlines()
    return line


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("secrets", "store", "Namespace ml lacks what the pods need: Secret store."),
        ("persistentvolumeclaims", "marquee", "PersistentVolumeClaim marquee."),
        ("serviceaccounts", "runner", "ServiceAccount runner."),
    ],
)
def test_what_a_fake_cluster_lacks_is_named(
    fake, invoke, compiled, kind, name, message
):
    del fake.kubernetes[kind, name]
    assert message in refused(fake, invoke, compiled())


def test_a_key_that_a_secret_of_a_fake_cluster_lacks_is_named(fake, invoke, compiled):
    fake.kubernetes["secrets", "store"] = {"data": {"user": "eA=="}}
    assert "key password of Secret store" in refused(fake, invoke, compiled())


def test_all_that_a_fake_cluster_lacks_is_named_at_once(fake, invoke, compiled):
    fake.kubernetes = {}
    message = refused(fake, invoke, compiled())
    assert (
        "PersistentVolumeClaim marquee, Secret store, ServiceAccount runner" in message
    )


def test_what_a_fake_cluster_does_not_show_is_told_and_no_obstacle(
    fake, invoke, compiled
):
    fake.kubernetes["secrets", "store"] = 403
    done = invoke(main, compiled(), "--namespace", "ml", "--no-wait")
    assert done.exit_code == 0
    assert "Secret store was not checked: Forbidden." in done.stderr


def test_without_a_kubeconfig_the_fake_cluster_is_not_asked_and_that_is_told(
    fake, invoke, compiled, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
        str(tmp_path / "none"),
    )
    done = invoke(main, compiled(), "--namespace", "ml", "--no-wait")
    assert done.exit_code == 0
    assert "there is no kubeconfig" in done.stderr


def test_a_fake_backend_that_is_too_old_is_refused_with_the_settings(
    fake, invoke, compiled
):
    fake.tag = "2.0.5"
    settings = {"tolerations of Trainer_gmf": "2.5.0"}
    message = refused(fake, invoke, compiled(backend="2.5.0", settings=settings))
    assert "needs Kubeflow Pipelines 2.5.0, and this is 2.0.5" in message
    assert "tolerations of Trainer_gmf needs 2.5.0" in message


@pytest.mark.parametrize("tag", ["2.5.0", "2.10.0", "2.14.3"])
def test_a_newer_fake_backend_is_taken(fake, invoke, compiled, tag):
    fake.tag = tag
    done = invoke(main, compiled(backend="2.5.0"), "--namespace", "ml", "--no-wait")
    assert (done.exit_code, done.stderr.count("version")) == (0, 0)


def test_a_fake_backend_that_reports_no_version_is_told(fake, invoke, compiled):
    fake.tag = "unknown"
    done = invoke(main, compiled(), "--namespace", "ml", "--no-wait")
    assert done.exit_code == 0
    assert "reports no version ('unknown'); the file needs 2.0.5" in done.stderr


def test_an_address_without_an_api_is_told_in_one_line(fake, invoke, compiled):
    message = refused(fake, invoke, compiled(), "--host", "http://127.0.0.1:1")
    assert "does not answer at http://127.0.0.1:1; set --host" in message


def test_another_file_is_refused_before_a_fake_api_is_asked(fake, invoke, tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text("kind: Workflow\n")
    assert "kubectl create" in refused(fake, invoke, path)

"""The mirror on a real MLflow server, read by MLflow's own client."""

import json
import subprocess
import sys
import time

import pytest

from components.live_models import push, trial, versions
from pipeline.config.mlflow_section import MlflowConfig
from pipeline.mlflow_mirror import mirror_versions, mirror_versions_of
from pipeline.mlflow_mirror.rest_api import MlflowServer
from pipeline.runs import finished_runs
from tests.support.databases import free_port
from tests.support.mlflow_server import mlflow, seen_by_its_client
from tests.support.server import metric, serving, until, until_served
from trainer_modules.model_card import ModelCard, write_card

pytestmark = [pytest.mark.mlflow, pytest.mark.timeout(1200)]
RUNS = """[
    {"info": [r.info.status, r.info.run_name, r.info.start_time, r.info.end_time],
     "id": r.info.run_id, "tags": r.data.tags, "params": r.data.params,
     "metrics": r.data.metrics}
    for r in c.search_runs([c.get_experiment_by_name("nightly").experiment_id])
]"""
VERSIONS = """[
    [v.version, v.run_id, v.tags] for v in c.search_model_versions("name = 'marquee'")
]"""
ALIASES = """{
    name: c.get_model_version_by_alias("marquee", name).tags["marquee.version"]
    for name in c.get_registered_model("marquee").aliases
}"""


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """Returns the address of a server."""
    with mlflow(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri


def marquee(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def num_leaves(settings):
    nested = [value for value in settings.values() if isinstance(value, dict) and value]
    return len(settings) - len(nested) + sum(map(num_leaves, nested))


def run(out, uri):
    settings = (f"mlflow.uri={uri}", "mlflow.experiment=nightly")
    options = ("--models", "mf_als", "--jobs", "1", "--out", out)
    return marquee("run", *options, *(w for s in settings for w in ("--set", s)))


@pytest.fixture(scope="module")
def out(uri, tmp_path_factory):
    """Returns the folder of a run that was copied."""
    out = tmp_path_factory.mktemp("runs") / "out"
    done = run(out, uri)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    return out


def test_a_run_is_there_with_its_settings_figures_and_origin(out, uri):
    [path] = out.glob("runs/*/run.json")
    record = json.loads(path.read_text())
    [copied] = seen_by_its_client(uri, RUNS)
    status, name, started, ended = copied["info"]
    assert (status, name) == ("FINISHED", record["run"]["id"])
    assert ended - started == pytest.approx(1000 * record["run"]["seconds"], abs=2)
    tags = copied["tags"]
    assert tags["marquee.run_id"] == record["run"]["id"]
    assert tags["marquee.status"] == "a new model is live"
    assert tags["marquee.data"] == "sample"
    lineage = json.loads(marquee("lineage", "--json", "--out", out).stdout)
    assert tags["marquee.data_sha256"] == lineage["data"]["fingerprint"]
    assert len(tags["marquee.code_version"]) == 12
    assert len(copied["params"]) == num_leaves(record["config"])
    assert copied["params"]["split.kind"] == "leave_last_out"
    assert copied["params"]["gate.floors.auc"] == "0.5"
    expected = {
        f"{model['name']}/{metric.replace('@', '_at_')}": value
        for model in record["models"]
        for metric, value in model["metrics"].items()
        if value is not None
    }
    for model in record["models"]:
        for name in ("parameters", "train_seconds"):
            expected[f"{model['name']}/{name}"] = model[name]
    assert len(expected) > 20
    assert copied["metrics"] == pytest.approx(expected, rel=1e-12)


def test_versions_are_there_and_the_aliases_follow_a_rollback(out, uri, tmp_path):
    [run_id] = [run["id"] for run in seen_by_its_client(uri, RUNS)]
    [[_, made_by, tags]] = seen_by_its_client(uri, VERSIONS)
    assert made_by == run_id
    assert (tags["marquee.version"], tags["marquee.model"]) == ("1", "mf_als")
    assert seen_by_its_client(uri, ALIASES) == {"champion": "1"}

    # Pushed, and not copied.
    write_card(str(tmp_path), ModelCard("ease", 1, {}, origin="Trainer_ease/model/9"))
    push.push(tmp_path, out / "live", keep=9)
    done = marquee("rollback", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    copied = {tags["marquee.version"]: (made_by, tags) for _, made_by, tags in
              seen_by_its_client(uri, VERSIONS)}  # fmt: skip
    assert copied.keys() == {"1", "2", "3"}
    assert not copied["2"][0]
    assert copied["3"][0] == run_id  # it is a copy of version 1
    assert copied["3"][1]["marquee.restored"] == "1"
    assert seen_by_its_client(uri, ALIASES) == {"champion": "3"}

    trial.begin(tmp_path, out / "live", 9, 3, {})
    mirror_versions(MlflowConfig(uri=uri), out / "live")
    assert seen_by_its_client(uri, ALIASES) == {"champion": "3", "challenger": "4"}
    done = marquee("rollback", "--out", out)  # ends the trial
    assert done.returncode == 0, done.stderr
    assert seen_by_its_client(uri, ALIASES) == {"champion": "3"}


def test_a_server_that_ends_a_trial_moves_the_aliases(out, uri, tmp_path):
    live = out / "live"
    champion = versions.live(live)
    settings = {"delivery": {"mode": "shadow", "shadow_lists": 5}, "online": {}}
    with serving(out, "--log-lists", "1") as client:
        number = trial.begin(champion.folder, live, 9, champion.number, settings).number
        mirror_versions(MlflowConfig(uri=uri), live)
        on_trial = {"champion": str(champion.number), "challenger": str(number)}
        assert seen_by_its_client(uri, ALIASES) == on_trial
        make_lists(client, number)
    with serving(out) as client:  # it has completed the log, and decides at once
        until_served(client, number)
        end = time.monotonic() + 60
        while seen_by_its_client(uri, ALIASES) != {"champion": str(number)}:
            assert time.monotonic() < end, client.log.read_text()[-3000:]
        assert "Warning" not in client.log.read_text()


def make_lists(client, number):
    """Requests lists until enough of them were made by the version on trial, too."""
    until(client, "/v1/recommend/1")
    end = time.monotonic() + 120
    while metric(client, "marquee_shadow_seconds_count") < 5:
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        assert client.get("/v1/recommend/1?k=3").json()["version"] != number


def test_more_settings_than_fit_into_a_request(uri):
    server, given = MlflowServer(uri), {f"p{n}": str(n) for n in range(250)}
    run_id = server.create_run(server.experiment("many"), "a run", 0, {})
    server.end_run(run_id, given, {}, "FINISHED", 1)
    assert seen_by_its_client(uri, f"c.get_run({run_id!r}).data.params") == given


def test_another_folder_with_the_same_numbers_has_versions_of_its_own(
    out, uri, tmp_path
):
    before = len(seen_by_its_client(uri, VERSIONS))
    model = tmp_path / "model"
    write_card(str(model), ModelCard("ease", 1, {}, origin="Trainer_ease/model/9"))
    push.push(model, tmp_path / "live", keep=9)
    mirror_versions(MlflowConfig(uri=uri), tmp_path / "live")
    after = seen_by_its_client(uri, VERSIONS)
    assert len(after) == before + 1
    mirror_versions(MlflowConfig(uri=uri), tmp_path / "live")
    assert seen_by_its_client(uri, VERSIONS) == after


def test_a_trial_ends_without_mlflow_and_the_next_copy_makes_it_good(out, uri):
    live = out / "live"
    before, champion = seen_by_its_client(uri, ALIASES), versions.live(live)
    settings = {"delivery": {"mode": "shadow", "shadow_lists": 5}, "online": {}}
    number = trial.begin(champion.folder, live, 9, champion.number, settings).number
    [path] = [out / "runs" / finished_runs.read(out).run.id / "run.json"]
    whole, nowhere = path.read_text(), f"http://127.0.0.1:{free_port()}"
    path.write_text(whole.replace(uri, nowhere))
    with serving(out, "--log-lists", "1") as client:
        make_lists(client, number)
    with serving(out) as client:
        until_served(client, number)
        end = time.monotonic() + 60
        while "has no complete copy" not in (log := client.log.read_text()):
            assert time.monotonic() < end, log[-3000:]
            assert client.get("/v1/recommend/1?k=3").status_code == 200
        assert f"MLflow at {nowhere} has no complete copy: ConnectionError" in log
    assert seen_by_its_client(uri, ALIASES) == before
    path.write_text(whole)
    mirror_versions_of(out)
    assert seen_by_its_client(uri, ALIASES) == {"champion": str(number)}


def test_a_run_without_the_server_ends_as_with_it(out):
    done = run(out, nowhere := f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout + done.stderr
    [warning] = [line for line in printed.splitlines() if "Warning" in line]
    assert f"MLflow at {nowhere} has no complete copy: ConnectionError" in warning
    # Another address does not make it train again.
    newest = json.loads(max(out.glob("runs/*/run.json")).read_text())
    states = {step["name"]: step["state"] for step in newest["steps"]}
    assert states["Trainer_mf_als"] == "cached"

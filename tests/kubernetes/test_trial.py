"""The live version and one on trial, in two Deployments behind one Service."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from components.live_models import push, trial
from tests.kubernetes.conftest import IMAGE
from tests.support.ruled_model import RATED, save_ruled, write_data

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1800)]
MANIFESTS = Path(__file__).parents[2] / "kubeflow" / "manifests" / "lists"
PODS = {"marquee-lists-live": 2, "marquee-lists-trial": 1}
SETTINGS = {
    "delivery": {
        "mode": "canary",
        "arms": ["old", "new"],
        "max_loss": 0.9,
        "slow_ms": 60_000.0,  # whatever else the machine does
    },
    "online": {"attribution_window": "5s"},
}
# Each request has a connection of its own: the Service chooses a pod for each. Runs in
# a pod; prints version → number of its lists, and what failed.
PEOPLE = """
import collections, json, sys, urllib.request
first, last = int(sys.argv[1]), int(sys.argv[2])
def fetch(path, body=None):
    url = "http://marquee-lists:8501/v1/" + path
    request = urllib.request.Request(url, body and json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    return json.load(urllib.request.urlopen(request, timeout=60))
versions, failures = collections.Counter(), []
for number in range(first, last):
    user = f"person-{number}"
    event = {"event_id": user, "user_id": user, "item_id": "30", "rating": 5}
    try:
        versions[fetch(f"recommend/{user}?k=3")["version"]] += 1
        assert fetch("events", event)["accepted"] == 1
    except Exception as error:
        failures.append(str(error))
print(json.dumps({"versions": versions, "failures": failures}))
"""
BEGIN = """
import json, sys
from pathlib import Path
from components.live_models import trial
model, live, settings = sys.argv[1:]
trial.begin(Path(model), Path(live), 9, 2, json.loads(settings))
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory, folder, copy):
    """A folder of runs on the volume: version 1 is live, and 2 is on trial."""
    made = tmp_path_factory.mktemp("trial")
    for mark in (1, 2):
        save_ruled(made / "models" / str(mark), mark)
    out = made / "out"
    write_data(out, RATED, 9)
    push.push(made / "models/1", out / "live", keep=9)
    trial.begin(made / "models/2", out / "live", 9, 1, SETTINGS)
    copy(made, f"{folder}/trial")
    return f"{folder}/trial"


@pytest.fixture(scope="module")
def deployed(applied, out):
    """The two Deployments and their Service, on that folder."""
    rendered = applied("kustomize", str(MANIFESTS))
    objects = list(yaml.safe_load_all(rendered))
    for found in objects:
        if found["kind"] == "Deployment":
            found["spec"]["replicas"] = PODS[found["metadata"]["name"]]
            [container] = found["spec"]["template"]["spec"]["containers"]
            container["image"] = IMAGE
            # These runs were made by no Kubeflow.
            container["env"] = [
                variable
                for variable in container["env"]
                if variable["name"] != "MARQUEE_METADATA"
            ]
            container["resources"]["requests"] = {"cpu": "50m", "memory": "256Mi"}
            container["args"] = [
                word.replace("=/marquee/", f"={out}/").replace(
                    "--out=/marquee", f"--out={out}/out"
                )
                for word in container["args"]
            ]
    applied.apply(*objects)
    yield applied
    applied("delete", "service/marquee-lists", *(f"deployment/{name}" for name in PODS))


def rolled_out(cluster, name):
    cluster("rollout", "status", f"deployment/{name}", "--timeout=600s")


def num_ready(cluster, name):
    return cluster.get("deployment", name)["status"].get("readyReplicas", 0)


@pytest.fixture(scope="module")
def story(deployed, out, in_pod, on_volume):
    """People use the Service during the trial, a restart of all pods, and after it."""

    def people(first, last):
        printed = in_pod("python", "-c", PEOPLE, str(first), str(last), seconds=900)
        return json.loads(printed.splitlines()[-1])

    def last_step():
        ledger = json.loads(on_volume("cat", f"{out}/out/live/.ledger.json"))
        return ledger["transitions"][-1]

    for name in PODS:
        rolled_out(deployed, name)
    during = people(0, 300)
    for name in PODS:
        deployed("rollout", "restart", f"deployment/{name}")
    restarting = people(300, 700)
    for name in PODS:
        rolled_out(deployed, name)
    step = deployed.until(
        lambda: last_step() if last_step()["to"] != "trial" else None,
        300,
        "the trial does not end",
    )
    deployed.until(
        lambda: num_ready(deployed, "marquee-lists-trial") == 0, 60, "it stays ready"
    )
    after = people(700, 800)
    settings = json.dumps(SETTINGS)
    words = (f"{out}/models/1", f"{out}/out/live", settings)
    in_pod("python", "-c", BEGIN, *words)
    rolled_out(deployed, "marquee-lists-trial")
    again = people(800, 900)
    live = ("exec", "deployment/marquee-lists-live", "--", "python", "-m", "pipeline")
    deployed(*live, "rollback", "--out", f"{out}/out")
    deployed.until(
        lambda: num_ready(deployed, "marquee-lists-trial") == 0, 60, "it stays ready"
    )
    return SimpleNamespace(
        during=during,
        restarting=restarting,
        step=step,
        after=after,
        again=again,
        withdrawn=last_step(),
        finally_=people(900, 950),
    )


def test_the_numbers_of_pods_are_the_shares(story):
    assert story.during["failures"] == []
    versions = story.during["versions"]
    assert versions.keys() == {"1", "2"}
    assert 63 < versions["2"] < 137  # a third of 300; 4.6 deviations


def test_no_request_fails_while_the_pods_are_replaced(story):
    assert story.restarting["failures"] == []
    assert sum(story.restarting["versions"].values()) == 400


def test_a_decision_of_one_server_is_followed_by_all(story):
    assert (story.step["version"], story.step["to"]) == (2, "live")
    assert story.after == {"versions": {"2": 100}, "failures": []}


def test_rollback_wins(story):
    assert story.again["versions"].keys() == {"2", "3"}
    assert (story.withdrawn["version"], story.withdrawn["to"]) == (3, "withdrawn")
    assert story.finally_ == {"versions": {"2": 50}, "failures": []}

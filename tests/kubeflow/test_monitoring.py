"""Alerts fire when they should, and name metrics that a real server exports."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.server import serving, until

MONITORING = Path(__file__).parents[2] / "kubeflow" / "monitoring"
RULES, DASHBOARD = MONITORING / "rules.yaml", MONITORING / "dashboard.json"
METRIC = re.compile(r"\bmarquee_\w+")


def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions():
    """Returns every query of the rules and of the dashboard."""
    found = [rule["expr"] for rule in rules()]
    found += [target["expr"] for panel in panels() for target in panel["targets"]]
    variables = json.loads(DASHBOARD.read_text())
    found += [each["query"] for each in variables["templating"]["list"]]
    return found + [each["expr"] for each in variables["annotations"]["list"]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """What a server without a model exports, after a request that it cannot answer."""
    with serving(tmp_path_factory.mktemp("out"), wait=False) as client:
        until(client, "/metrics")
        assert client.get("/v1/recommend/ann").status_code == 503
        return client.get("/metrics").text


def test_every_metric_is_exported(exported):
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", exported, re.M))
    names = {name for name, kind in kinds.items() if kind != "histogram"} | {
        f"{name}_{end}"
        for name, kind in kinds.items()
        if kind == "histogram"
        for end in ("bucket", "sum", "count")
    }
    named = {name for text in expressions() for name in METRIC.findall(text)}
    assert len(named) > 15
    assert named <= names


def test_every_path_is_a_label(exported):
    paths = {
        path for text in expressions() for path in re.findall(r'path="([^"]*)"', text)
    }
    assert paths == {"/v1/recommend/{user:path}"}
    assert 'path="/v1/recommend/{user:path}"' in exported


def test_every_recorded_name_has_a_rule():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {
        name for text in expressions() for name in re.findall(r"marquee:[\w:]+", text)
    }
    assert used == recorded


def test_every_alert_is_tested_and_explained():
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    tests = yaml.safe_load((MONITORING / "rules_test.yaml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for fires in (True, False):
        named = {
            case["alertname"] for case in cases if bool(case["exp_alerts"]) is fires
        }
        assert named == set(alerts)
    for rule in alerts.values():
        assert rule["annotations"].keys() == {"summary", "description"}


def test_no_panel_lies_over_another():
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    cells = [
        (x, y)
        for panel in panels()
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@pytest.mark.kubeflow
@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is missing: apt-get install prometheus",
)
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "rules.yaml"), ("test", "rules", "rules_test.yaml")],
)
def test_the_rules_pass_their_unit_tests(arguments):
    done = subprocess.run(
        ["promtool", *arguments],
        cwd=MONITORING,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

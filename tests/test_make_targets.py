"""What CI, the hooks, the devcontainer and the guides run exists in the Makefile."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text())
GUIDES = ("CONTRIBUTING.md", "README.md", "docs/contributing/tests.md")
GUIDES += ("docs/contributing/releases.md", ".github/pull_request_template.md")


def targets():
    """Returns the documented targets of the Makefile."""
    lines = re.findall(r"^([a-z0-9 -]+):.*## ", MAKEFILE, re.MULTILINE)
    return {target for line in lines for target in line.split()}


def made_by(command):
    """Returns the targets of the make commands in a shell command."""
    words = shlex.split(command.replace("&&", " ; "), comments=True)
    if words[:1] != ["make"]:
        return set()
    return {word for word in words[1:] if re.fullmatch(r"[a-z][a-z0-9-]*", word)}


def in_workflow():
    found = set()
    for job in WORKFLOW["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        choices = matrix.get("target", []) + [
            entry["target"] for entry in matrix.get("include", [])
        ]
        for step in job["steps"]:
            command = step.get("run", "")
            if "${{ matrix.target }}" in command:
                found.update(name for choice in choices for name in choice.split())
            else:
                found |= made_by(command)
    return found


def in_hooks():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())[
        "repos"
    ]
    return set().union(*(made_by(hook["entry"]) for hook in repository["hooks"]))


def in_devcontainer():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    return made_by(container["postCreateCommand"])


def in_guides():
    texts = [(ROOT / name).read_text() for name in GUIDES if (ROOT / name).exists()]
    commands = re.findall(r"(?:^|`)(make [a-z][^`\n]*)", "\n".join(texts), re.MULTILINE)
    return set().union(*map(made_by, commands))


def in_ci_script():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    return set().union(*map(made_by, lines))


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (in_workflow, {"check", "test", "coverage", "test-slow", "test-flink"}),
        (in_hooks, {"check"}),
        (in_devcontainer, {"install"}),
        (in_guides, {"check", "test", "test-integration", "coverage"}),
        (in_ci_script, {"check", "docs", "test", "test-integration"}),
    ],
)
def test_every_target_that_is_run_exists(used, expected):
    assert expected <= used()
    assert used() <= targets()


def test_every_package_has_a_coverage_floor():
    [floors] = re.findall(r"^FLOORS := (.*)$", MAKEFILE, re.MULTILINE)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"kubeflow"}
    assert {floor.partition("=")[0] for floor in floors.split()} == packages


def test_targets_that_name_folders_find_all_tests_of_their_marker():
    recipes = dict(re.findall(r"pytest -q -m (\w+) (tests/.+)", MAKEFILE))
    assert {"browser", "flink", "kubeflow", "kubernetes", "sources"} <= recipes.keys()
    for marker, folders in recipes.items():
        elsewhere = [
            str(path)
            for path in (ROOT / "tests").rglob("*.py")
            if re.search(rf"mark\.{marker}\b", path.read_text())
            and not any(path.is_relative_to(ROOT / name) for name in folders.split())
        ]
        assert elsewhere == [], marker

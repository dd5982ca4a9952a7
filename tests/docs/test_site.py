"""The site is built, is complete, and makes no network requests."""

import dataclasses
import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.command import environment
from trainer_modules.registry import MODELS

ROOT = Path(__file__).parents[2]
CODE = ("configs", "docs", "pipeline", "trainer_modules", "mkdocs.yml")


def build(folder):
    """Builds the site of a copy: the process, and the folder of the pages."""
    process = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=folder,
        env={**environment(folder), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return process, folder / "build" / "docs"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def site(copied):
    process, pages = build(copied)
    assert process.returncode == 0, process.stdout + process.stderr
    return pages


def test_a_link_that_leads_nowhere_stops_the_build(copied, site):
    page = copied / "docs" / "gate.md"
    whole = page.read_text()
    page.write_text(f"{whole}\n[x](nowhere.md)\n[x](tutorial.md#nowhere)\n")
    process, _ = build(copied)
    output = process.stdout + process.stderr
    assert process.returncode != 0
    assert "'nowhere.md'" in output
    assert "'tutorial.md#nowhere'" in output
    assert "Aborted with 2 warnings in strict mode" in output
    page.write_text(whole)


def test_no_page_makes_a_request_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text()
        loaded = re.findall(
            r"<(?:script|img|iframe|source)[^>]* src=[\"']?([^\s>]+)", text
        )
        for link in re.findall(r"<link[^>]+>", text):
            if "canonical" not in link:
                loaded += re.findall(r"href=[\"']?([^\s>\"']+)", link)
        assert loaded
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)], page
        # Material fetches these two when a page has such a block.
        assert "mermaid" not in re.findall(r'class="([^"]*)"', text)
    styles = " ".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", styles)


def rows(page):
    """Each table row of a page as the texts of its cells."""
    for row in re.findall(r"<tr>(.*?)</tr>", page.read_text(), re.DOTALL):
        cells = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
        if cells:
            yield [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in cells]


def test_every_setting_is_in_the_reference(site):
    told = list(rows(site / "configuration.html"))
    defaults = yaml.safe_load((ROOT / "configs" / "default.yaml").read_text())
    expected = []
    for section, value in defaults.items():
        if isinstance(value, dict) and section != "models":
            expected += value.items()
        elif section != "models":
            expected.append((section, value))
    for spec in MODELS.values():
        for name, value in dataclasses.asdict(spec.config_class()).items():
            inner = value if isinstance(value, dict) else {}
            expected += [(f"{name}.{key}", value[key]) for key in inner]
            expected += [] if inner else [(name, value)]
    assert [row[0] for row in told] == [name for name, _ in expected]
    for (name, default, may_be, meaning), (_, value) in zip(
        told, expected, strict=True
    ):
        assert json.loads(default) == json.loads(json.dumps(value)), name
        assert may_be, name
        assert meaning.endswith("."), name


def test_every_command_is_in_the_reference(site):
    page = html.unescape((site / "command-line.html").read_text())
    for command in ("run", "retrain", "schedule", "show", "schema propose", "doctor"):
        assert f"marquee {command}</code>" in page


def test_the_notebook_holds_no_outputs(site):
    cells = json.loads((ROOT / "docs" / "tour.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert "A run" in (site / "tour.html").read_text()

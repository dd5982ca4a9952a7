"""The commands of the documentation work, in the order of each page.

One folder for all pages: the tutorial's runs are what the notebook walks and what the
page on operations backs up.
"""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLE = re.compile(r'```python title="([^"]+)"\n(.*?)```', re.DOTALL)
# Where a block goes in a file that is there: before this.
BEFORE = {
    "trainer_modules/configs/closed_form.py": (
        "@dataclasses.dataclass(frozen=True)\nclass PopularityConfig"
    ),
    "trainer_modules/registry.py": "    )\n}",
    "tests/trainer_modules/models/test_every_model.py": "    }  # fmt: skip",
}


@pytest.fixture(scope="module")
def folder(shell, tmp_path_factory):
    """Where the tutorial was followed."""
    folder = tmp_path_factory.mktemp("tutorial")
    page = (DOCS / "tutorial.md").read_text()
    told = ""
    for kind, block in re.findall(r"```(sh|text)\n(.*?)```", page, re.DOTALL):
        if kind == "sh":
            told = "".join(shell(line, folder) for line in block.splitlines())
        else:
            missing = set(re.findall(r"[A-Za-z_]{3,}", block)) - set(
                re.findall(r"[A-Za-z_]{3,}", told)
            )
            assert not missing, told
    return folder


def test_the_tutorial_ends_with_the_first_model_live_again(folder):
    assert sorted(
        path.name for path in (folder / "marquee-out/live").glob("[0-9]")
    ) == [*("1", "2", "3")]


def test_the_notebook_walks_the_artifacts(folder):
    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(folder)}}
    ).execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert "RatingsExampleGen" in printed
    assert "recommend" in printed


def test_operations(folder, shell, commands):
    ran = [shell(line, folder) for line in commands(DOCS / "operations.md")]
    assert "as pushed" in ran[-1]


def test_own_data(shell, commands, own_ratings, tmp_path):
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    for folder in (alone, beside):
        folder.mkdir()
        (folder / "my-ratings.csv").write_text(own_ratings)
    # What the command that names columns of other files is for.
    (beside / "items.csv").write_text("isbn,code,Book-Title\ni0,a,Dune\ni1,b,Emma\n")
    (beside / "users.csv").write_text("member,city\nu0,Oslo\nu1,Bern\n")
    ran = [
        shell(line, beside if "--item-column" in line else alone)
        for line in commands(DOCS / "own-data.md")
    ]
    assert any("Book-Title" in output for output in ran)
    assert "is live" in ran[-1]


def test_own_model(shell, commands, copy_of_the_code, own_ratings):
    code = copy_of_the_code()
    shutil.copytree(ROOT / "tests", code / "tests")
    shutil.copy(ROOT / "pyproject.toml", code)
    for name, block in EXAMPLE.findall((DOCS / "own-model.md").read_text()):
        path = code / name
        if path.exists():
            before, anchor, after = path.read_text().rpartition(BEFORE[name])
            assert anchor, name
            gap = "\n\n" if name.endswith("closed_form.py") else ""
            path.write_text(f"{before}{block}{gap}{anchor}{after}")
        else:
            path.write_text(block)
    battery, run = commands(DOCS / "own-model.md")
    assert " passed" in shell(battery, code, code)
    shell(run, code, code)

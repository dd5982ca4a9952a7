"""The commands of the documentation work, in the order of each page.

All pages share a folder: the notebook walks through the tutorial's runs, and the page
on operations backs them up.
"""

import re
import shutil
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.command import shell_lines
from tests.support.logs import own_ratings
from tests.support.server import serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
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
    """Follows the tutorial; returns the folder."""
    folder = tmp_path_factory.mktemp("tutorial")
    page = (DOCS / "tutorial.md").read_text()
    output = ""
    for kind, block in re.findall(r"```(sh|text)\n(.*?)```", page, re.DOTALL):
        if kind == "sh":
            output = "".join(shell(line, folder) for line in block.splitlines())
        else:
            missing = set(re.findall(r"[A-Za-z_]{3,}", block)) - set(
                re.findall(r"[A-Za-z_]{3,}", output)
            )
            assert not missing, output
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


def test_operations(folder, shell):
    ran = [shell(line, folder) for line in shell_lines(DOCS / "operations.md")]
    assert "as pushed" in ran[-1]


def test_tuning(shell, tmp_path):
    [output] = [shell(line, tmp_path) for line in shell_lines(DOCS / "tuning.md")]
    [block] = re.findall(
        r"```text\n(ndcg@10.*?)```", (DOCS / "tuning.md").read_text(), re.S
    )
    assert " ".join(block.split()) in " ".join(output.split())
    assert re.search(r"marquee run --config \S+/tuned.yaml --data sample", output)


def test_own_data(shell, tmp_path):
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    for folder in (alone, beside):
        folder.mkdir()
        (folder / "my-ratings.csv").write_text(own_ratings())
    # For the command that names the columns of other files.
    (beside / "items.csv").write_text("isbn,code,Book-Title\ni0,a,Dune\ni1,b,Emma\n")
    (beside / "users.csv").write_text("member,city\nu0,Oslo\nu1,Bern\n")
    ran = [
        shell(line, beside if "--item-column" in line else alone)
        for line in shell_lines(DOCS / "own-data.md")
    ]
    assert any("Book-Title" in output for output in ran)
    assert "is live" in ran[-1]


def test_events(shell, tmp_path):
    page = (DOCS / "events.md").read_text()
    for name, block in re.findall(r'```yaml title="([^"]+)"\n(.*?)```', page, re.S):
        (tmp_path / name).write_text(block)
    ran = [shell(line, tmp_path) for line in shell_lines(DOCS / "events.md")]
    [counts] = re.findall(r"```text\n(.*?)```", page, re.S)
    assert " ".join(counts.split()) in " ".join(ran[1].split())
    assert "To tell these events apart" in ran[1]
    assert "To tell these events apart" not in ran[2]
    assert "is live" in ran[-1]


def test_rules(shell, tmp_path):
    page = (DOCS / "rules.md").read_text()
    for name, block in re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', page, re.S):
        (tmp_path / name).write_text(block)
    ran = [shell(line, tmp_path) for line in shell_lines(DOCS / "rules.md")]
    assert "is live" in ran[0]
    assert "Broken Orbit (2019)" in ran[1]  # item 505
    assert "Broken Orbit (2019)" not in ran[2]
    assert "Broken Orbit (2019)" not in ran[4]
    [reason] = re.findall(r"```text\n(.*?)```", page, re.S)
    assert " ".join(reason.split()) in " ".join(ran[5].split())


def test_two_stages(shell, tmp_path):
    ran = [shell(line, tmp_path) for line in shell_lines(DOCS / "two-stages.md")]
    assert "two_stage is live" in ran[0]
    assert "two_stage" in ran[1]


def test_online(shell, tmp_path):
    """The page's requests, to a server as it starts one."""
    run, *commands = shell_lines(DOCS / "online.md")
    shell(run, tmp_path)
    out = tmp_path / "marquee-out"
    with serving(
        out, "--events", str(tmp_path / "spans"), "--log-lists", "1"
    ) as client:
        until(client, "/v1/recommend/42?k=1")
        [item, *_] = client.get("/v1/recommend/newcomer?k=5").json()["items"]
        port = str(client.base_url.port)
        requests = re.findall(r"^    (curl .*)", (DOCS / "online.md").read_text(), re.M)
        for request in requests:
            request = request.replace("8501", port).replace("ITEM", item["item_id"])
            shell(request.replace("curl ", "curl -fsS ", 1), tmp_path)
    time.sleep(6)  # the window
    table, as_json, newest = (shell(line, tmp_path) for line in commands)
    for shown in (table, newest):
        assert re.search(r"1 mf_als +4 +6\.25%", shown)  # 1 click of 1 + 5 + 5 + 5
    assert '"not_over": 4' in as_json


def test_own_model(shell, copy_of_the_code):
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
    battery, run = shell_lines(DOCS / "own-model.md")
    assert " passed" in shell(battery, code, code)
    shell(run, code, code)

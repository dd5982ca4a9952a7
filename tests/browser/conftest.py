"""The report of a real run, in Debian's Chromium."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.command import ROOT, marquee

# A title that is executed unless it is escaped.
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
SMALL = [
    *("--models", "popularity,mf_als,gmf", "--set", "models.gmf.epochs=4"),
    *("--set", "models.mf_als.embedding_dim=16"),
]


def report_of(out: Path, file: str, command: str, *arguments: str) -> Path:
    """Executes a command in the folder; returns the path of the report it names."""
    done = marquee(ROOT, command, "--out", str(out), *arguments)
    assert done.status == 0, done.text
    [path] = out.glob(f"runs/*/{file}")
    # The path may be wrapped.
    assert str(path) in done.text.replace("\n", "")
    return path


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Runs a few models; returns the report's ``path``, the ``run`` and ``out``."""
    out = tmp_path_factory.mktemp("run")
    path = report_of(out, "report.html", "run", *SMALL)
    run = json.loads(path.with_name("run.json").read_text())
    return SimpleNamespace(path=path, run=run, out=out)


@pytest.fixture(scope="session")
def tuning_report(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Tunes two models; returns the report's ``path``, and ``trials`` by the model."""
    out = tmp_path_factory.mktemp("tune")
    settings = ("--models", "mf_als,gmf", "--set", "models.gmf.epochs=5")
    path = report_of(out, "tuning.html", "tune", *settings, "--trials", "4")
    trials = {}
    for file in out.glob("artifacts/Tuner_*/tuner_results/*/trials.json"):
        model = file.parts[-4].removeprefix("Tuner_")
        trials[model] = json.loads(file.read_text())
    return SimpleNamespace(path=path, trials=trials)


@pytest.fixture
def hostile_report(report: SimpleNamespace, tmp_path: Path) -> tuple[Path, str]:
    """Writes the report again with titles that try to run; returns path and title."""
    out = tmp_path / "out"
    shutil.copytree(report.out, out)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline.recommend import one_user\n"
        "from pipeline.views import html\n"
        "one_user.Titles.of = lambda self, item: sys.argv[2]\n"
        "print(html.write(Path(sys.argv[1]), None))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(out), HOSTILE],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.splitlines()[-1]), HOSTILE


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Starts the system's Chromium, since Playwright's own is not installed."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            # Chromium has no sandbox for root, which CI may be; it only opens our file.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a file and returns its page when it is rendered.

    ``page.console_lines`` has the lines of the console and the errors, and
    ``page.requested_urls`` the URLs that were requested.
    """
    contexts = []

    def open_(path: Path, width: int = 1280, **options: Any) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.console_lines, page.requested_urls = [], []  # type: ignore[attr-defined]
        page.on("console", lambda message: page.console_lines.append(message.text))
        page.on("pageerror", lambda error: page.console_lines.append(str(error)))
        page.on(
            "dialog",
            lambda dialog: (page.console_lines.append("alert"), dialog.dismiss()),
        )
        page.on("request", lambda request: page.requested_urls.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html.ready")
        return page

    yield open_
    for context in contexts:
        context.close()

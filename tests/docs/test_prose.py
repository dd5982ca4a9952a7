"""The prose check finds what prose.yaml rejects, and only that."""

import importlib.util
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "docs" / "contributing"
RULES = yaml.safe_load((FOLDER / "prose.yaml").read_text())["rules"]


@pytest.fixture(scope="module")
def problems():
    spec = importlib.util.spec_from_file_location("prose", FOLDER / "prose.py")
    prose = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prose)
    return lambda name, content: list(prose.problems(name, content, RULES))


REJECTED = {
    "version: Of it.": "version: Number of the version folder.",
    "Whose list.": "ID of the user to recommend for.",
    "the folder has not version 3": "the run has not been stopped; it has not started",
    "a rating that is no number": "there is no such folder; it is no longer live",
    "prints what came of it": "prints the result",
    "as the user was told": "the user was shown",
    "the header says so": "the header states it; a paper would say so",
    "it asks the server": "it sends a request to the server",
    "the store knows the model": "the store contains the known models",
    "what stood there": "what was stored there",
    "the file lies beside it": "the file is located beside it",
    "a run is at work": "a run is running",
    "errors that a person can mend": "errors that users can fix",
    "held against a schema": "checked against a schema",
    "a model that surely loses": "a model that loses significantly",
    "ignored without a word": "silently ignored",
    "whoever reads it": "anyone who reads it",
    "nobody reads it": "no process reads it",
    "the data cannot be had": "the data is not available",
}


@pytest.mark.parametrize(("bad", "good"), REJECTED.items())
def test_each_rule_rejects_its_example_and_accepts_the_rewrite(problems, bad, good):
    assert len(problems("page.md", bad)) == 1
    assert problems("page.md", good) == []


def test_every_rule_has_an_example(problems):
    assert len(RULES) == len(REJECTED)


def test_a_match_is_reported_with_its_file_line_and_suggestion(problems):
    assert problems("page.md", "# Runs\n\nA run is\nat work.\nWhat came\nof it\n") == [
        'page.md:5: "What came of": write "the result of" or "the verdict on"',
        'page.md:4: "at work": write "is running"',
    ]


CODE = '''"""Says things."""

path = "as told"  # the header
# is no
# list
raise ValueError(
    f"{path} has not "
    f"{path}"
)
KEY = "told"


def f():
    """Runs.

    Args:
        version: Of it.
    """
'''


def test_in_python_comments_docstrings_and_messages_are_checked(problems):
    lines = [problem.split(":")[1] for problem in problems("pipeline/x.py", CODE)]
    assert sorted(map(int, lines)) == [1, 3, 4, 7, 17]


def test_in_tests_only_comments_and_docstrings_are_checked(problems):
    lines = [problem.split(":")[1] for problem in problems("tests/x.py", CODE)]
    assert sorted(map(int, lines)) == [1, 4, 17]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.py", 'print("it says no")  # prose: allow\n'),
        ("x.py", "# as told  # prose: allow\n"),
        ("x.md", "the field `told` and ``says``"),
        ("x.md", "| told <!-- prose: allow --> |\n|---|\n| says |\n"),
    ],
)
def test_code_and_an_explicit_comment_allow_the_words(problems, name, content):
    assert problems(name, content) == []

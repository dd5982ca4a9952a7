"""Checks the English of docstrings, comments, messages and pages against prose.yaml.

Run by ``make check``; exits with status 1 if anything matches.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
RULES = Path(__file__).with_suffix(".yaml")


class Text(NamedTuple):
    """A piece of prose, the number of its first line and its source."""

    line: int
    prose: str
    source: str


def texts(name: str, content: str) -> Iterator[Text]:
    """Yields the paragraphs of a page, or the comments and strings of Python code."""
    if name.endswith(".py"):
        yield from comments(content)
        yield from strings(content, docstrings_only=name.startswith("tests/"))
        return
    for paragraph in re.finditer(r"(?:.*\S.*\n?)+", content):
        line = content.count("\n", 0, paragraph.start()) + 1
        yield Text(line, paragraph[0], paragraph[0])


def comments(content: str) -> Iterator[Text]:
    """Yields comments; those on adjacent lines are one text."""
    tokens = tokenize.generate_tokens(io.StringIO(content).readline)
    found = [token for token in tokens if token.type == tokenize.COMMENT]
    for _, run in groupby(enumerate(found), lambda pair: pair[1].start[0] - pair[0]):
        block = [token for _, token in run]
        prose = "\n".join(token.string.lstrip("# ") for token in block)
        yield Text(block[0].start[0], prose, prose)


def strings(content: str, docstrings_only: bool) -> Iterator[Text]:
    """Yields docstrings and messages; in an f-string, values become "…"."""
    lines, parts = content.splitlines(), set()
    for node in ast.walk(ast.parse(content)):
        if docstrings_only:
            node = node.value if isinstance(node, ast.Expr) else None
        match node:
            case ast.JoinedStr(values=values):
                parts.update(map(id, values))
                prose = "…".join(v.value for v in values if isinstance(v, ast.Constant))
            case ast.Constant(value=str(prose)):
                pass
            case _:
                continue
        if " " in prose and id(node) not in parts:  # a single word is a key
            source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            yield Text(node.lineno, prose, source)


def problems(name: str, content: str, rules: list[dict[str, str]]) -> Iterator[str]:
    """Yields a message for each match of a rule in a file's prose."""
    for text in texts(name, content):
        prose = re.sub(r"(`+)[^`\n]+\1", "…", text.prose)  # without names of code
        for rule in [] if "prose: allow" in text.source else rules:
            pattern = rule["avoid"].replace(" ", r"\s+")
            for match in re.finditer(pattern, prose, re.M):
                line = text.line + prose.count("\n", 0, match.start())
                words = " ".join(match[0].split())
                yield f'{name}:{line}: "{words}": write {rule["write"]}'


def main(folders: list[str]) -> int:
    """Checks the files in the named folders, or all, and returns the exit status."""
    settings = yaml.safe_load(RULES.read_text())
    command = ("git", "ls-files", *settings["files"])
    found = [
        problem
        for name in subprocess.check_output(command, cwd=ROOT, text=True).split()
        if name.startswith(tuple(folders) or "")
        for problem in problems(name, (ROOT / name).read_text(), settings["rules"])
    ]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

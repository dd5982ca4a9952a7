"""Reads plain YAML: no tags, no aliases, no surprising types."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.errors import ConfigError


class Loader(yaml.SafeLoader):
    """Plain YAML: no tags, no anchors; ``1e-3`` is a number, 2026-11-22 a text."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Rejects what gives a value another meaning than its text has."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # in types-pyyaml
        if isinstance(event, yaml.AliasEvent) or event.tag is not None:
            raise yaml.MarkedYAMLError(
                problem="tags and aliases are not supported; write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in Loader.yaml_implicit_resolvers.items()
}


@contextlib.contextmanager
def plain_yaml(text: str | bytes) -> Iterator[Loader]:
    """Yields a loader for a text.

    Raises:
        YAMLError: If the text is not plain YAML, or is nested too deeply to be read.
    """
    loader = Loader(text)
    try:
        yield loader
    except RecursionError:
        raise yaml.MarkedYAMLError(
            problem="nested too deeply; no setting needs more than five levels",
            problem_mark=loader.get_mark(),
        ) from None


def read_yaml(path: Path) -> Any:
    """Returns the content of a file of plain YAML: no tags, no aliases.

    Raises:
        ConfigError: If it cannot be read.
    """
    try:
        with plain_yaml(path.read_bytes()) as loader:
            return loader.get_single_data()
    except OSError as error:
        raise ConfigError(path, None, None, error.strerror or str(error)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(path, *yaml_problem(error)) from error


def yaml_problem(error: Exception) -> tuple[int | None, None, str]:
    """Returns the line, no key, and the message of a syntax error."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return None, None, f"not YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark
    line = mark.line + 1 if mark else None
    if error.context and "block scalar" in error.context:
        return line, None, "a value that starts with '>' needs quotes, as in \"> 3\""
    return line, None, f"not YAML: {error.problem}"

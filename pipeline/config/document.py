"""The values that a file and flags set, with the origin of each."""

import contextlib
import typing
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from pipeline.config import secrets
from pipeline.config.describe import (
    expected,
    fields_of,
    is_text,
    may_be_null,
    member_of,
    nearest_name,
    required_of,
    short_form,
    values_of,
)
from pipeline.config.errors import ConfigError
from pipeline.config.plain_yaml import Loader, plain_yaml, yaml_problem
from pipeline.config.sections import PipelineConfig

_COLUMNS = ("data.columns.", "data.item_columns.", "data.user_columns.")


class Document:
    """The values set by a file and by flags, and the origin of each key."""

    def __init__(self, path: Path | None, kind: Any = PipelineConfig):
        """Reads a file.

        Args:
            path: A YAML file; None for a document that only flags fill.
            kind: Class of what the document describes.

        Raises:
            ConfigError: If the file cannot be read, or is not YAML.
        """
        self._file, self._kind = path, kind
        self._values: Any = {}
        self._origins: dict[str, int | str] = {}  # dotted key → line or flag
        self._texts: dict[str, str] = {}  # dotted key → scalar as it was written
        if path is not None:
            try:
                self._values = self._parsed(path.read_bytes(), "")
            except OSError as error:
                message = f"cannot be read: {error.strerror}"
                raise ConfigError(path, None, None, message) from error
            except yaml.YAMLError as error:
                raise ConfigError(path, *yaml_problem(error)) from error

    def __contains__(self, key: str) -> bool:
        """Returns whether the key, or a key below it, was set."""
        return any(_is_within(given, key) for given in self._origins)

    def error(self, key: str, message: str) -> ConfigError:
        """Returns an error at the place where a key, or its section, was set."""
        place = key
        while place and place not in self._origins:
            place = place.rpartition(".")[0]
        origin = self._origins.get(place)
        if isinstance(origin, str):
            return ConfigError(None, None, f"{origin} {key}", message)
        return ConfigError(self._file, origin, key or None, message)

    def override(self, override: str) -> None:
        """Sets a key from ``key=value``, where the value is YAML.

        Raises:
            ConfigError: If it is not of this form.
        """
        key, equals, text = override.partition("=")
        if not equals or not all(key.strip().split(".")):
            message = "expected key=value, as in --set split.kind=temporal"
            flag = f"--set {secrets.masked(override)}"
            raise ConfigError(None, None, flag, message)
        self.put(key.strip(), text, "--set", is_yaml=True)

    def put(self, key: str, text: str, flag: str, is_yaml: bool = False) -> None:
        """Sets a key from a flag, which overrides the file.

        Args:
            key: The dotted key.
            text: The value.
            flag: The flag, for error messages.
            is_yaml: Whether the value is YAML; otherwise it is plain text.

        Raises:
            ConfigError: If the key is inside a value that is not a section.
        """
        *sections, name = key.split(".")
        values = self._values
        default: Any = msgspec.to_builtins(PipelineConfig())
        for depth, section in enumerate(sections, start=1):
            if not isinstance(values, dict):
                break
            self._origins.setdefault(".".join(sections[:depth]), flag)
            default = default.get(section) if isinstance(default, dict) else None
            # A setting is added to the default models and floors; in any other section,
            # what is missing gets its default anyway.
            if values.get(section) is None:
                values[section] = default or {}
            values = values[section]
        self._origins = {
            given: origin
            for given, origin in self._origins.items()
            if not _is_within(given, key)
        }
        self._origins[key] = flag
        if not isinstance(values, dict):
            section = ".".join(sections)
            raise self.error(key, f"{section} is {short_form(values)}, not a section")
        self._texts[key] = values[name] = text
        if is_yaml:
            # Text that is not YAML is kept: a '> 3' whose quotes the shell removed.
            with contextlib.suppress(yaml.YAMLError):
                values[name] = self._parsed(text, key, flag)

    def _parsed(self, text: str | bytes, key: str, flag: str | None = None) -> Any:
        with plain_yaml(text) as loader:
            node = loader.get_single_node()
            return None if node is None else self._plain(loader, node, key, flag)

    def _plain(
        self, loader: Loader, node: yaml.Node, key: str, flag: str | None
    ) -> Any:
        """Builds a node's value, and records the origin of each key in it."""
        if isinstance(node, yaml.ScalarNode):
            self._texts[key] = node.value
        if isinstance(node, yaml.SequenceNode):
            members = {f"{key}.{n}": node for n, node in enumerate(node.value)}
            for place, member in members.items():
                self._origins[place] = flag or member.start_mark.line + 1
            return [
                self._plain(loader, member, place, flag)
                for place, member in members.items()
            ]
        if not isinstance(node, yaml.MappingNode):
            try:
                return loader.construct_object(node, deep=True)
            except ValueError as error:  # 0b_ looks like a number to PyYAML
                raise yaml.MarkedYAMLError(
                    problem=str(error), problem_mark=node.start_mark
                ) from error
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            inner = f"{key}.{name}" if key else name
            first = self._origins.get(inner)
            self._origins[inner] = flag or name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise self.error(inner, "a key must be a plain name")
            if name in values:
                where = "" if flag else f", first in line {first}"
                raise self.error(inner, f"given twice{where}; keep one")
            values[name] = self._plain(loader, value_node, inner, flag)
        return values

    def checked(self) -> Any:
        """Returns the values for the document's class, each name and type checked.

        Raises:
            ConfigError: If one is invalid, or is a secret.
        """
        if found := secrets.problem(self._values):
            raise self.error(*found)
        return self._checked(self._kind, self._values, "")

    def _checked(self, wanted: Any, value: Any, key: str) -> Any:
        fields = fields_of(wanted, key)
        member = member_of(wanted)
        if value is None and may_be_null(wanted):
            return None
        if member is not None and isinstance(value, list):
            return [
                self._checked(member, one, f"{key}.{place}")
                for place, one in enumerate(value)
            ]
        if fields is None:
            return self._checked_value(wanted, value, key)
        values = {} if value is None else value
        inner = values_of(wanted)
        if not fields and inner is not None and isinstance(values, dict):
            fields = dict.fromkeys(values, inner)
        if not isinstance(values, dict):
            names = f"the keys {', '.join(fields)}" if fields else "a mapping"
            message = f"expected {names}; got {short_form(value)}"
            raise self.error(key, message)
        checked = {}
        for name, given in values.items():
            place = f"{key}.{name}" if key else name
            if name not in fields:
                what = f"{key} has no" if key else "there is no"
                message = f"{what} {name!r}{nearest_name(name, fields)}"
                raise self.error(place, message)
            checked[name] = self._checked(fields[name], given, place)
        for name in required_of(wanted):
            if name not in checked:
                raise self.error(key, f"{name} is missing; it has no default")
        return checked

    def _checked_value(self, wanted: Any, value: Any, key: str) -> Any:
        # A column 0, or a folder called 2024 in a --set, is text all the same.
        is_flag = isinstance(self._origins.get(key), str)
        is_rule = self._kind is not PipelineConfig  # its IDs and values may be numbers
        may_be_bare = is_flag or is_rule or key.startswith(_COLUMNS)
        if may_be_bare and is_text(wanted) and isinstance(value, bool | int | float):
            value = self._texts[key]
        if is_rule and isinstance(value, list):
            value = [
                self._texts[f"{key}.{place}"]
                if isinstance(member, bool | int | float)
                else member
                for place, member in enumerate(value)
            ]
        if typing.get_origin(wanted) is Literal and value not in typing.get_args(
            wanted
        ):
            names = typing.get_args(wanted)
            nearest = nearest_name(str(value), names, is_key=False)
            raise self.error(key, f"{short_form(value)} is not a valid value{nearest}")
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            message = f"expected {expected(wanted)}, got {short_form(value)}"
            raise self.error(key, message) from error
        return value


def _is_within(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")

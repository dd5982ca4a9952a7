"""The error for a configuration that cannot be used."""

from pathlib import Path


class ConfigError(Exception):
    """A configuration that cannot be used; nothing was started.

    Attributes:
        file: The YAML file at fault; None for a flag.
        line: Number of the line, from 1; None if no line is at fault.
        key: The dotted key, with the flag in front where a flag set it.
        message: What is wrong, what was expected, and the nearest valid name.
    """

    def __init__(
        self, file: Path | None, line: int | None, key: str | None, message: str
    ):
        self.file, self.line, self.key, self.message = file, line, key, message
        place = "" if file is None else f"{file}:{line}: " if line else f"{file}: "
        super().__init__(f"{place}{f'{key}: ' if key else ''}{message}")

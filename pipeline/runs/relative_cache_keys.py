"""Keeps TFX's cache keys the same when a folder of runs is moved.

TFX hashes artifacts and parameters with their absolute paths, so that every step of a
moved folder would run again. Here, paths below the folder are hashed relative to it.
"""

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfx.orchestration.portable import cache_utils
from tfx.types import Artifact

from components.artifact_place import place_of


@contextlib.contextmanager
def relative_to(out: Path) -> Iterator[None]:
    """Replaces the function that computes TFX's keys, for the runs of a folder."""
    absolute = cache_utils.get_cache_context

    def relative(
        *,
        input_artifacts: Mapping[str, Sequence[Artifact]],
        parameters: Mapping[str, object],
        **other: Any,
    ) -> Any:
        return absolute(
            input_artifacts={
                name: [_placed(artifact) for artifact in artifacts]
                for name, artifacts in input_artifacts.items()
            },
            parameters={name: _below(value, out) for name, value in parameters.items()},
            **other,
        )

    cache_utils.get_cache_context = relative
    try:
        yield
    finally:
        cache_utils.get_cache_context = absolute


def _placed(artifact: Artifact) -> Artifact:
    placed = copy.deepcopy(artifact)
    placed.uri = place_of(artifact.uri)
    return placed


def _below(value: Any, out: Path) -> Any:
    """Returns a path below the folder relative to it, and anything else unchanged."""
    if isinstance(value, str) and Path(value).is_relative_to(out):
        return str(Path(value).relative_to(out))
    return value

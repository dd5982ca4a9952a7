"""Outputs are sealed by a checksum, so that a damaged one is never served from cache.

TFX takes an output from the cache if its folder is there, whatever became of the files.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration import metadata
from tfx.orchestration.portable import cache_utils

from components import content_hash

SEAL = "content_sha256"


def seal(store: metadata.Metadata, execution_id: int) -> None:
    """Writes down what the outputs of a step are, right after it was done.

    A run that is killed before leaves an output without a seal, which is taken as it
    is: steps of a cluster have none either.
    """
    with store as handle:
        outputs = [
            event.artifact_id
            for event in handle.store.get_events_by_execution_ids([execution_id])
            if event.type == mlmd.Event.OUTPUT
        ]
        artifacts = handle.store.get_artifacts_by_id(outputs)
        for artifact in artifacts:
            digest = _digest(Path(artifact.uri))
            artifact.custom_properties[SEAL].string_value = digest
        handle.store.put_artifacts(artifacts)


@contextlib.contextmanager
def respected() -> Iterator[None]:
    """Has TFX pass over cached outputs that are not as they were sealed.

    It asks a function of its own whether they are there, and takes the next older ones
    or does the step anew if not; it has no other place for such a question.
    """
    module = cache_utils.artifact_utils
    is_there = module.verify_artifacts

    def verify(artifacts: dict[str, list[Any]]) -> None:
        is_there(artifacts)
        for artifact in (each for group in artifacts.values() for each in group):
            sealed = artifact.get_string_custom_property(SEAL)
            if sealed and _digest(Path(artifact.uri)) != sealed:
                message = f"{artifact.uri} is not as it was made; its step runs anew"
                logging.getLogger(__name__).warning(message)
                raise RuntimeError(message)

    module.verify_artifacts = verify
    try:
        yield
    finally:
        module.verify_artifacts = is_there


def _digest(folder: Path) -> str:
    """Returns a hash of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = content_hash.of_file(path)
        digest.update(f"{path.relative_to(folder)}\0{content}\n".encode())
    return digest.hexdigest()

"""Records a checksum of outputs, so that a damaged one is never taken from the cache.

TFX takes an output from the cache if its folder exists, even if its files changed.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components import content_hash

if TYPE_CHECKING:  # a run with nothing new does without TFX, which takes seconds
    from tfx.orchestration import metadata

SEAL = "content_sha256"


def seal(store: "metadata.Metadata", execution_id: int) -> None:
    """Records the checksums of a step's outputs, right after the step.

    A run that is killed before that leaves an output without a checksum, which is
    accepted as it is: outputs of a cluster's steps do not have one either.
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
    """Makes TFX ignore cached outputs whose checksum changed.

    TFX calls a function of its own to check that outputs exist; if they do not, it
    takes the next older ones or runs the step again. It has no other hook.
    """
    from tfx.orchestration.portable import cache_utils

    module = cache_utils.artifact_utils
    is_there = module.verify_artifacts

    def verify(artifacts: dict[str, list[Any]]) -> None:
        is_there(artifacts)
        for artifact in (each for group in artifacts.values() for each in group):
            sealed = artifact.get_string_custom_property(SEAL)
            if sealed and _digest(Path(artifact.uri)) != sealed:
                message = (
                    f"{artifact.uri} changed after it was made; its step runs again"
                )
                logging.getLogger(__name__).warning(message)
                raise RuntimeError(message)

    module.verify_artifacts = verify
    try:
        yield
    finally:
        module.verify_artifacts = is_there


def is_intact(artifact: mlmd.Artifact) -> bool:
    """Returns whether an output may be taken from the cache, as TFX decides it."""
    folder = Path(artifact.uri)
    sealed = artifact.custom_properties[SEAL].string_value
    return (
        artifact.state == mlmd.Artifact.LIVE
        and folder.exists()
        and (not sealed or _digest(folder) == sealed)
    )


def _digest(folder: Path) -> str:
    """Returns a hash of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = content_hash.of_file(path)
        digest.update(f"{path.relative_to(folder)}\0{content}\n".encode())
    return digest.hexdigest()

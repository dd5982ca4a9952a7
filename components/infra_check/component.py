"""InfraCheck: checks whether the chosen model can serve."""

import json
import os
from pathlib import Path

import msgspec
from tfx import v1 as tfx
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.catalogue_gen.artifacts import Catalogue
from components.infra_check.check import PROCESS, Budget, Questions, check
from components.infra_check.figures import ServingCheck
from components.infra_check.probe_requests import questions
from components.local_model import local_model
from components.saved_model_scan import HostileModelError, scan
from trainer_modules import features as f

CHECKED_FILE = "checked.json"
NOTHING_CHOSEN = "nothing was chosen"


@tfx.dsl.components.component
def InfraCheck(  # noqa: N802 - TFX names a component like the class that it becomes
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    catalogue: tfx.dsl.components.InputArtifact[Catalogue],
    seconds: tfx.dsl.components.Parameter[float],
    memory_mb: tfx.dsl.components.Parameter[float],
    latency_ms: tfx.dsl.components.Parameter[float],
    size_mb: tfx.dsl.components.Parameter[float],
    code_version: tfx.dsl.components.Parameter[str],
    blessing: tfx.dsl.components.OutputArtifact[standard_artifacts.InfraBlessing],
) -> None:
    """Sends requests to the model in a process of its own, and blesses a good one.

    It needs neither Docker nor Kubernetes, unlike ``experimental_model_server``.

    Args:
        model: The champion; empty if no model passed.
        examples: Examples whose test split has a user for the requests.
        catalogue: The items for the requests.
        seconds: Time limit for everything.
        memory_mb: Limit of the resident memory.
        latency_ms: Limit of the median time of an answer.
        size_mb: Limit of the size of the files.
        code_version: Part of the cache key.
        blessing: The blessing that the Pusher reads; ``checked.json`` describes the
            problems and what was measured.
    """
    del code_version
    budget = Budget(seconds, int(memory_mb * 1e6), latency_ms, int(size_mb * 1e6))
    checked = ServingCheck(PROCESS, False, [NOTHING_CHOSEN])
    with local_model(model) as folder:
        if folder.is_dir():
            split = artifact_utils.get_split_uri([examples], f.TEST_SPLIT)
            files = sorted(tfx.dsl.io.fileio.glob(f"{split}/*"))
            checked = _scanned_and_checked(
                folder, questions(files, catalogue.uri), budget
            )
    blessing.set_int_custom_property("blessed", int(checked.blessed))
    io_utils.write_string_file(
        os.path.join(blessing.uri, CHECKED_FILE),
        json.dumps(msgspec.to_builtins(checked), indent=1),
    )


def _scanned_and_checked(
    folder: Path, requests: Questions, budget: Budget
) -> ServingCheck:
    """Checks a model, unless the server would refuse to load it."""
    try:
        scan(folder)
    except HostileModelError as error:
        return ServingCheck(PROCESS, False, [str(error)])
    return check(folder, requests, budget)

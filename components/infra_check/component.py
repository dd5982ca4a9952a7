"""InfraCheck: a chosen model in, the word whether it can serve out."""

import json
import os

from tfx import v1 as tfx
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.catalogue_gen.artifacts import Catalogue
from components.infra_check.check import Budget, check
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
    """Asks the model in a process of its own, and blesses it if it answers well.

    It needs neither Docker nor Kubernetes, unlike ``experimental_model_server``.

    Args:
        model: The champion; empty where nothing passed.
        examples: Of which the test split has a user to ask about.
        catalogue: The items to ask about.
        seconds: For everything.
        memory_mb: Resident.
        latency_ms: Of one answer.
        size_mb: Of the files.
        code_version: Part of the cache key.
        blessing: What the Pusher reads; beside it ``checked.json``, with the problems
            in words and all that was measured.
    """
    del code_version
    problems: tuple[str, ...] = (NOTHING_CHOSEN,)
    figures = {}
    with local_model(model) as folder:
        if folder.is_dir():
            split = artifact_utils.get_split_uri([examples], f.TEST_SPLIT)
            files = sorted(tfx.dsl.io.fileio.glob(f"{split}/*"))
            asked = questions(files, catalogue.uri)
            memory, size = int(memory_mb * 1e6), int(size_mb * 1e6)
            try:
                scan(folder)  # what would be refused where it is served
                checked = check(
                    folder, asked, Budget(seconds, memory, latency_ms, size)
                )
                problems, figures = checked.problems, dict(checked.figures)
            except HostileModelError as error:
                problems = (str(error),)
    is_fit = not problems
    blessing.set_int_custom_property("blessed", int(is_fit))
    told = {"check": "process", "blessed": is_fit, "problems": problems, **figures}
    io_utils.write_string_file(
        os.path.join(blessing.uri, CHECKED_FILE), json.dumps(told, indent=1)
    )

"""Pusher: a model that passed everything in, a new live version out."""

import json
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.live_models import push
from components.local_model import local_model

PUSHED_FILE = "pushed.json"


@tfx.dsl.components.component
def Pusher(  # noqa: N802 - TFX names a component like the class that it becomes
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    blessing: tfx.dsl.components.InputArtifact[standard_artifacts.ModelBlessing],
    infra_blessing: tfx.dsl.components.InputArtifact[standard_artifacts.InfraBlessing],
    live_folder: tfx.dsl.components.Parameter[str],
    keep_versions: tfx.dsl.components.Parameter[int],
    pushed_model: tfx.dsl.components.OutputArtifact[standard_artifacts.PushedModel],
) -> None:
    """Makes the champion live, unless one of the blessings is missing.

    TFX's Pusher writes into the folder that is being watched, keeps no checksums, and
    never removes a version.

    Args:
        model: The champion.
        blessing: Of Champion; ``live_version`` is what the model was judged against.
        infra_blessing: Of InfraCheck or InfraValidator.
        live_folder: A file system's folder, with one for each version.
        keep_versions: That stay.
        pushed_model: ``pushed`` is 1 or 0; ``pushed_destination`` and
            ``pushed_version`` say where; ``pushed.json`` has the version, and why none
            was pushed if a rollback, or another push, came since the model was judged.
    """
    version, overtaken = None, ""
    blessings = (blessing, infra_blessing)
    if all(each.get_int_custom_property("blessed") == 1 for each in blessings):
        judged_against = blessing.get_int_custom_property("live_version")
        try:
            with local_model(model) as folder:
                version = push.push(
                    folder, Path(live_folder), keep_versions, judged_against
                )
        except push.OvertakenError as error:
            overtaken = str(error)
    pushed_model.set_int_custom_property("pushed", int(version is not None))
    if version:
        destination = str(version.folder)
        pushed_model.set_string_custom_property("pushed_destination", destination)
        pushed_model.set_string_custom_property("pushed_version", str(version.number))
    told = {"version": version.number if version else None, "overtaken": overtaken}
    io_utils.write_string_file(f"{pushed_model.uri}/{PUSHED_FILE}", json.dumps(told))

"""Pusher: makes a model live that passed all checks."""

import json
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.live_models import push, trial
from components.local_model import local_model

PUSHED_FILE = "pushed.json"
AT_ONCE = "at_once"


@tfx.dsl.components.component
def Pusher(  # noqa: N802 - TFX names a component like the class that it becomes
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    blessing: tfx.dsl.components.InputArtifact[standard_artifacts.ModelBlessing],
    infra_blessing: tfx.dsl.components.InputArtifact[standard_artifacts.InfraBlessing],
    live_folder: tfx.dsl.components.Parameter[str],
    keep_versions: tfx.dsl.components.Parameter[int],
    delivery: tfx.dsl.components.Parameter[str],
    pushed_model: tfx.dsl.components.OutputArtifact[standard_artifacts.PushedModel],
) -> None:
    """Makes the champion live, unless one of the blessings is missing.

    It replaces TFX's Pusher, which writes into the folder that servers watch, keeps no
    checksums and never removes a version.

    Args:
        model: The champion.
        blessing: Champion's blessing; ``live_version`` is the version that the model
            was judged against.
        infra_blessing: Blessing of InfraCheck or InfraValidator.
        live_folder: Folder of the live versions, on a file system.
        keep_versions: How many versions to keep.
        delivery: The settings ``delivery`` and ``online``, as JSON: whether the
            champion goes live at once, or on trial, and how it is judged.
        pushed_model: ``pushed`` is 1 or 0; ``pushed_destination`` and
            ``pushed_version`` name the new version. ``pushed.json`` has the version, or
            why none was pushed: a rollback, another push or a trial since the
            judgement; and whether it is only on trial.
    """
    version, overtaken, settings = None, "", json.loads(delivery)
    is_trial = False
    blessings = (blessing, infra_blessing)
    if all(b.get_int_custom_property("blessed") == 1 for b in blessings):
        judged_against = blessing.get_int_custom_property("live_version")
        try:
            with local_model(model) as folder:
                # The first model has nothing to be compared with.
                is_trial = (
                    settings["delivery"]["mode"] != AT_ONCE and judged_against > 0
                )
                place = (folder, Path(live_folder), keep_versions, judged_against)
                version = (
                    trial.begin(*place, settings) if is_trial else push.push(*place)
                )
        except push.OvertakenError as error:
            overtaken = str(error)
    pushed_model.set_int_custom_property("pushed", int(version is not None))
    if version:
        destination = str(version.folder)
        pushed_model.set_string_custom_property("pushed_destination", destination)
        pushed_model.set_string_custom_property("pushed_version", str(version.number))
    result = {
        "version": version.number if version else None,
        "overtaken": overtaken,
        "is_trial": is_trial and version is not None,
    }
    io_utils.write_string_file(f"{pushed_model.uri}/{PUSHED_FILE}", json.dumps(result))

"""TFX's Evaluator for a model that may not be there, or not fit the data any more."""

import itertools
import logging
from typing import Any

from tfx import types
from tfx.components.evaluator import executor
from tfx.utils import io_utils

from components import saved_model_scan
from components.local_model import local_model

NOT_JUDGED_FILE = "not_judged.txt"
NOTHING_LIVE = "its Model artifact is not in the metadata store"


class Executor(executor.Executor):
    """Writes why the model could not be judged, where it could not.

    That is no failure of the run: new candidates may be what mends it, and Champion
    follows ``gate.without_baseline``.
    """

    def Do(  # noqa: N802 - the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates, or says why not."""
        problem = ""
        if not input_dict.get("model"):
            problem = NOTHING_LIVE
        else:
            try:
                with local_model(input_dict["model"][0]) as folder:
                    saved_model_scan.scan(folder)
                super().Do(input_dict, output_dict, exec_properties)
            except Exception as error:  # whatever it is, the model cannot be judged
                logging.exception("the live model could not be judged")
                problem = (str(error).strip() or repr(error)).splitlines()[-1]
        if problem:
            # In each output: an object store has no empty folder, and what is not there
            # is not served from the cache.
            for artifact in itertools.chain(*output_dict.values()):
                io_utils.write_string_file(f"{artifact.uri}/{NOT_JUDGED_FILE}", problem)

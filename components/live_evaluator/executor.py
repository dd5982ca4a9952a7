"""TFX's Evaluator for a model that may be missing, or no longer fit the data."""

import itertools
import logging

from tfx import types
from tfx.components.evaluator import executor
from tfx.utils import io_utils

from components import saved_model_scan
from components.exec_properties import ExecProperties
from components.local_model import local_model

NOT_JUDGED_FILE = "not_judged.txt"
NOTHING_LIVE = "its Model artifact is not in the metadata store"


class Executor(executor.Executor):
    """Writes the reason if the model could not be judged.

    The run does not fail for it: a new candidate may resolve the problem, and Champion
    follows ``gate.without_baseline``.
    """

    def Do(  # noqa: N802 - the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: ExecProperties,
    ) -> None:
        """Evaluates the model, or writes why it could not be judged."""
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
            # In each output: an object store has no empty folders, and an output that
            # does not exist is never served from the cache.
            for artifact in itertools.chain(*output_dict.values()):
                io_utils.write_string_file(f"{artifact.uri}/{NOT_JUDGED_FILE}", problem)

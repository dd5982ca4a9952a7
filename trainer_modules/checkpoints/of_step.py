"""The checkpoints of a Trainer step, which its next attempt finds.

They are in TFX's folder for the state of a step's attempts, which is the same for all
of them. ``marquee clean`` and ``marquee forget`` remove what a killed run left there.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules import devices
from trainer_modules.checkpoints.files import MADE_FOR, CheckpointFiles, make_folder
from trainer_modules.checkpoints.saver import Saver
from trainer_modules.layers.sharded_table import sharded_tables
from trainer_modules.tasks.task import Trainee

FOLDER = ".system/stateful_working_dir"  # below the folder of the step
PREFIX = "checkpoints-"
ORDER = "order.json"

progress_log = logging.getLogger("marquee.progress")


class Checkpoints:
    """The checkpoints of the fits of a step, which always come in the same order.

    Attributes:
        completed_by: Number of the workers that have ended each fit, so that its end is
            to be restored; 0 if it has not ended.
    """

    completed_by = 0

    def __init__(
        self,
        folder: str,
        made_for: Mapping[str, str],
        interval: float,
        writes: bool = True,
    ):
        """Announces that checkpoints of other trainings will be removed.

        They are once this one has a checkpoint, or has ended: if it cannot start, the
        former training can go on. A worker that writes none removes none either.

        Args:
            folder: Where the checkpoints of all attempts are, in folders of their own.
            made_for: All that decides the weights: name → value.
            interval: Time between two checkpoints, in seconds.
            writes: Whether to write any: of several workers, one does.
        """
        self.interval, self.writes = interval, writes
        self.made_for = json.dumps(made_for, sort_keys=True)
        digest = hashlib.sha256(self.made_for.encode()).hexdigest()[:16]
        self.folder = f"{folder}/{PREFIX}{digest}"
        self._fits: list[CheckpointFiles] = []
        found = tf.io.gfile.glob(f"{folder}/{PREFIX}*") if writes else []
        self._others = [other for other in found if other != self.folder]
        for other in self._others:
            progress_log.warning(
                "the checkpoints in %s are of another training, and removed when this "
                "one has one: %s",
                other,
                _differences(other, made_for),
            )

    @classmethod
    def of(
        cls, fn_args: FnArgs, interval: float, writes: bool = True
    ) -> "Checkpoints | None":
        """Returns the checkpoints of a Trainer; None if it is to write none.

        Args:
            fn_args: Inputs, settings and outputs of the Trainer.
            interval: Time between two checkpoints, in seconds; 0 for no checkpoints.
            writes: See ``__init__``.
        """
        if not interval:
            return None
        # Artifacts are in <root>/<step>/<output>/<execution>.
        root, step, _, _ = fn_args.model_run_dir.rstrip("/").rsplit("/", 3)
        config = fn_args.custom_config["config"]
        decides = {
            **fn_args.custom_config,
            **{f"config.{name}": value for name, value in config.items()},
            "config": None,
            "checkpoint_seconds": None,
            "worker_seconds": None,
            "train_files": fn_args.train_files,
            "eval_files": fn_args.eval_files,
            "transform_graph_path": fn_args.transform_graph_path,
            "base_model": fn_args.base_model,
            "hyperparameters": fn_args.hyperparameters,
            "tensorflow": tf.__version__,
            "gpus": len(tf.config.list_physical_devices("GPU")),
        }
        # Below the root, which changes when a folder of runs is moved.
        made_for = {
            name: json.dumps(value, sort_keys=True).replace(f"{root}/", "")
            for name, value in decides.items()
        }
        return cls(f"{root}/{step}/{FOLDER}", made_for, interval, writes)

    def write_order(self, text: str) -> str:
        """Writes what workers are to do; returns the path of the file."""
        make_folder(self.folder, self.made_for)
        path = f"{self.folder}/{ORDER}"
        with tf.io.gfile.GFile(path, "w") as file:
            file.write(text)
        return path

    def check_order(self, path: str) -> None:
        """Checks, in a worker, that it would train as the one who wrote the order.

        Raises:
            ValueError: If it would train another model, or on other devices.
        """
        folder = path.removesuffix(f"/{ORDER}")
        if folder != self.folder:
            raise ValueError(
                "this worker would not train as the Trainer: "
                f"{_differences(folder, json.loads(self.made_for))}. All workers need "
                "the same image and the same devices"
            )

    def names(self) -> set[str]:
        """Returns the names of the files that exist."""
        if not tf.io.gfile.isdir(self.folder):
            return set()
        return set(tf.io.gfile.listdir(self.folder))

    def of_next_fit(
        self,
        trainee: Trainee,
        epochs: int,
        others: Sequence[tf.keras.callbacks.Callback],
    ) -> Saver:
        """Returns the callback for the next fit, whose arguments are ``Saver``'s.

        Raises:
            OSError: If the fit must have ended, and its last checkpoint is missing.
        """
        self.wait()
        place, count = 0, self.completed_by
        parts = [""]
        if is_sharded := bool(sharded_tables(trainee.model)):
            if not count:
                place, count = devices.place(trainee.distribute_strategy)
            own_first = sorted(range(count), key=lambda number: number != place)
            parts = [f"-{number}-of-{count}" for number in own_first]
        files = CheckpointFiles(
            self.folder,
            len(self._fits),
            self.made_for,
            self.writes or is_sharded,
            parts,
            self._others,
        )
        self._fits.append(files)
        joins = self.completed_by > 1 and is_sharded
        saver = Saver(files, self.interval, trainee, epochs, others, joins)
        if self.completed_by and not saver.has_ended:
            raise OSError(
                f"the trained model is missing in {self.folder}: its checkpoint could "
                "not be written, or is damaged. Look for a warning in the output above"
            )
        return saver

    def wait(self) -> None:
        """Waits until all checkpoints are written."""
        for files in self._fits:
            files.wait()

    def remove(self) -> None:
        """Removes all checkpoints, when the step has ended and needs them no more."""
        self.wait()
        for folder in (self.folder, *self._others):
            if tf.io.gfile.isdir(folder):
                tf.io.gfile.rmtree(folder)


def _differences(folder: str, made_for: Mapping[str, str]) -> str:
    """Describes what differs between two trainings, in words."""
    try:
        with tf.io.gfile.GFile(f"{folder}/{MADE_FOR}") as file:
            other = json.loads(file.read())
    except (ValueError, tf.errors.OpError):
        return f"its {MADE_FOR} cannot be read"
    names = sorted(
        name for name in {*other, *made_for} if other.get(name) != made_for.get(name)
    )
    return f"it differs in {', '.join(names)}"

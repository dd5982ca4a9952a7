"""A worker: one of the processes that train a model together.

``python -m trainer_modules.worker ORDER [PARENT]`` trains as the Trainer with the
arguments in the file ORDER, and reports through its standard output: to the process
PARENT, with which it ends, or to the Trainer that reads the log of its pod. TensorFlow
finds the other workers by the variable ``TF_CONFIG``. The chief writes the checkpoints,
from which the Trainer builds and exports the model.
"""

import json
import os
import signal
import sys
import tempfile
import traceback

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules import devices, parent_process, run_fn, training
from trainer_modules.checkpoints.of_step import Checkpoints
from trainer_modules.progress import progress_log
from trainer_modules.trainer_inputs import read_settings
from trainer_modules.workers.reports import LOST_STATUS, reporting

# What TensorFlow raises if another worker has ended, or the network is down.
LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)


@devices.explaining_full_memory()
def train(order: str) -> None:
    """Trains the model together with the other workers.

    Args:
        order: File with the arguments of the Trainer.
    """
    fn_args = read_order(order)
    # Before TensorFlow's first operation, and so before the settings are read.
    require_gpu = bool(fn_args.custom_config["require_gpu"])
    strategy = devices.strategy_of_workers(require_gpu)
    progress_log.debug("the workers have found each other")
    settings = read_settings(fn_args)
    checkpoints = Checkpoints.of(
        fn_args, settings.checkpoint_seconds, writes=devices.is_chief(strategy)
    )
    if checkpoints:
        checkpoints.check_order(order)
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    data, build = run_fn.prepared(fn_args, settings, transform, strategy)
    progress_log.debug("the data are read")
    with tempfile.TemporaryDirectory() as curves:  # the checkpoints have them, too
        training.train(build, data, curves, checkpoints)
    if checkpoints:
        checkpoints.wait()
        # Those of all workers: the Trainer goes on when the chief has ended.
        devices.of_chief(strategy, lambda: 0.0)


def read_order(path: str) -> FnArgs:
    """Returns the arguments of the Trainer.

    Raises:
        FileNotFoundError: If the file is not there.
    """
    if path.startswith("s3://"):
        import tensorflow_io  # noqa: F401 - adds s3:// to TensorFlow
    try:
        with tf.io.gfile.GFile(path) as file:
            return FnArgs(**json.loads(file.read()))
    except tf.errors.NotFoundError:
        raise FileNotFoundError(
            f"{path} is missing: the folder of the artifacts must be on a volume or in "
            "an object store that all workers share"
        ) from None


def main() -> int:
    """Returns the exit status."""
    order, *parent = sys.argv[1:]
    if parent:
        parent_process.end_with_parent(signal.SIGKILL)
        if os.getppid() != int(parent[0]):  # it has ended in the meantime
            return LOST_STATUS
    with reporting() as reporter:
        try:
            train(order)
        except LOST as error:
            print(error.message, file=sys.stderr)
            return LOST_STATUS
        except Exception as error:
            traceback.print_exc()
            reporter.send(error=str(error) or repr(error))
            return 1
    return 0


if __name__ == "__main__":
    # Not by sys.exit: TensorFlow's server would wait for those of the other workers.
    status = main()
    sys.stderr.flush()
    os._exit(status)

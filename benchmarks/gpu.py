"""``make bench-gpu``: rows/s of every fitted model on the GPUs of this machine.

Each model is trained in its default settings, in 32 bits and in mixed precision, as a
Trainer does. The faster of two epochs counts, because the first one traces.
"""

import dataclasses
import tempfile
from pathlib import Path

import click
import tensorflow as tf

from benchmarks.figures import Figure, console, machine, print_figures
from benchmarks.processes import marquee
from benchmarks.training_data import trainer_data
from trainer_modules import devices, training
from trainer_modules.inputs import Data
from trainer_modules.registry import MODELS


def rows_per_second(name: str, data: Data, policy: str, folder: str) -> float:
    """Returns the rows/s of ``training.fit`` under a policy of Keras."""
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(0)
    tf.keras.mixed_precision.set_global_policy(policy)
    spec = MODELS[name]
    config = dataclasses.replace(spec.config_class(), epochs=2)
    with devices.strategy(require_gpu=False).scope():
        model = spec.load_class()(config, data.sizes)
    trained = training.fit(model, config, data, seed=0, log_dir=folder, name=name)
    assert trained.samples_per_second
    return trained.samples_per_second


@click.command()
@click.option("--data", "data_name", default="ml-1m", show_default=True)
@click.option("--cpu", is_flag=True, help="Measure the CPU where there is no GPU.")
@click.argument("names", nargs=-1)
def main(data_name: str, cpu: bool, names: tuple[str, ...]) -> None:
    """Train the models NAMES, or else all that are fitted."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus and not cpu:
        raise click.ClickException(
            "TensorFlow sees no GPU, and nothing was measured. `marquee doctor` shows "
            "why; --cpu measures the CPU instead"
        )
    console.print(machine(), [gpu.name for gpu in gpus] or "CPU")
    fitted = [name for name, spec in MODELS.items() if spec.is_fitted]
    figures = []
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        marquee(Path(folder), data_name, "popularity")
        data, *_ = trainer_data(Path(folder))
        for name in names or fitted:
            # A CPU emulates 16 bits, and takes far longer.
            for policy in ("float32", "mixed_float16") if gpus else ("float32",):
                speed = rows_per_second(name, data, policy, folder)
                what = f"{name}, {policy}"
                figures.append(Figure(what, speed / 1e3, "thousand rows/s"))
    print_figures(figures)


if __name__ == "__main__":
    main()

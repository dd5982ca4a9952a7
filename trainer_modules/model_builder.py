"""Builds the model of a Trainer, once or several times, always the same one."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules import devices
from trainer_modules.inputs import Data
from trainer_modules.sizes import Sizes
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.warm_start import Start, find_start, read_vocabularies


@dataclasses.dataclass(frozen=True)
class ModelBuilder:
    """Builds a model with its initial weights.

    Attributes:
        settings: Which model, with which settings and seed.
        sizes: Table sizes and fields of the model.
        strategy: The devices that train it.
        start: Where its weights start: from scratch, or from the live model.
    """

    settings: TrainerSettings
    sizes: Sizes
    strategy: tf.distribute.Strategy
    start: Start = dataclasses.field(default_factory=Start)

    @classmethod
    def for_devices(
        cls,
        settings: TrainerSettings,
        data: Data,
        strategy: tf.distribute.Strategy | None = None,
    ) -> "ModelBuilder":
        """Returns a builder from scratch; sets layers' precision and random numbers.

        Args:
            settings: Which model, with which settings and seed.
            data: What the Trainer was given.
            strategy: The workers that train the model; None for the devices of this
                process alone.

        Raises:
            RuntimeError: If a GPU is required and TensorFlow sees none.
        """
        tf.keras.mixed_precision.set_global_policy(
            "mixed_float16" if settings.mixed_precision else "float32"
        )
        # Dropout draws from variables then, which a checkpoint can hold.
        tf.keras.backend.experimental.enable_tf_random_generator()
        sizes = dataclasses.replace(
            data.sizes,
            mean_rating=data.train_ratings.mean(),
            sharded_from=settings.shard_tables_from,
        )
        strategy = strategy or devices.strategy(settings.require_gpu)
        return cls(settings, sizes, strategy)

    def starting_warm(
        self,
        live_folder: str | None,
        transform: tft.TFTransformOutput,
        item_values: Sequence[bytes],
    ) -> "ModelBuilder":
        """Returns a builder that starts from the live model, if its weights fit.

        Args:
            live_folder: The live SavedModel; None if nothing is live.
            transform: The transform graph, which has the new model's vocabularies.
            item_values: The new vocabulary of item features, which is in no graph.
        """
        start = find_start(
            live_folder,
            self(),
            self.sizes,
            lambda: read_vocabularies(transform.transform_savedmodel_dir, item_values),
            # The number of weights is not compared; it is not known before a call.
            self.settings.card(self.sizes, parameters=0),
        )
        return dataclasses.replace(self, start=start)

    def of_parts(self) -> dict[str, "ModelBuilder"]:
        """Returns builders of the models that the model consists of, by their role."""
        return {
            role: dataclasses.replace(self, settings=part)
            for role, part in self.settings.parts.items()
        }

    def __call__(self) -> tf.keras.Model:
        """Builds the model; each call gives the same weights."""
        tf.keras.utils.set_random_seed(self.settings.seed)
        with self.strategy.scope():
            model_class = self.settings.model.load_class()
            model: tf.keras.Model = model_class(self.settings.config, self.sizes)
            self.start.give(model, self.sizes)
        return model

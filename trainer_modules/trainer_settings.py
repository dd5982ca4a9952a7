"""The settings of a Trainer, parsed once from the ``custom_config`` that TFX passes."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from trainer_modules.configs.list_rules import Rules
from trainer_modules.configs.parse import parse
from trainer_modules.configs.sequence import CausalConfig
from trainer_modules.model_card import ModelCard
from trainer_modules.registry import MODELS, ModelSpec, parts_of
from trainer_modules.sizes import Sizes


@dataclasses.dataclass(frozen=True)
class TrainerSettings:
    """What a Trainer is to do.

    Attributes:
        model: The model's entry in the registry.
        config: The model's own settings, an instance of ``model.config_class``.
        recipe: ID of the model, all of these settings and the code; the data do not
            change it.
        seed: Seed of the weights, the shuffles and the negatives.
        require_gpu: Whether training without a GPU is an error.
        mixed_precision: Whether layers compute in half precision.
        warm_start: Whether training starts from the live model where that fits.
        split: How the ratings were split, recorded on the card.
        max_scored_pairs: How many pairs of users and items ``evaluate`` scores at most.
        index_from: From how many items on an index finds those of lists; None: never.
        index_probes: How many lists of the index are searched for each user.
        leave_out: Names of side features that the model must not read.
        catalogue: Folder of the Catalogue artifact.
        num_items: Number of items in the catalogue.
        num_rated_items: How many of them were rated.
        num_items_before_test: How many of them occur in train or eval.
        own: Those of the model's settings that were set, in JSON's types.
        events: Type of events → weight, recorded on the card.
        judged: Types of the events that are judged, recorded on the card.
        counts_repeats: Whether each of several rows of a pair counts.
        again_after: For how many seconds items are left out of lists; None for ever.
        context: The arguments of ``TimeContext``; None if the model reads no fields of
            times.
        rules: What lists may contain, and in which order; None without rules.
        checkpoint_seconds: Time between two checkpoints; 0 to write none.
        workers: Number of processes that train the model together.
        worker_seconds: Time after which workers that end no step are stopped.
        shard_tables_from: From how many rows on a table is divided among the workers;
            None for never.
        code_version: Part of the cache key; unused otherwise.
    """

    model: ModelSpec
    config: Any
    recipe: str
    seed: int
    require_gpu: bool
    mixed_precision: bool
    warm_start: bool
    split: Mapping[str, object]
    max_scored_pairs: int
    index_from: int | None
    index_probes: int
    leave_out: Sequence[str]
    catalogue: str
    num_items: int
    num_rated_items: int
    num_items_before_test: int
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    events: Mapping[str, float] = dataclasses.field(default_factory=dict)
    judged: Sequence[str] = ()
    counts_repeats: bool = False
    again_after: int | None = None
    context: Mapping[str, Any] | None = None
    rules: Rules | None = None
    checkpoint_seconds: int = 0
    workers: int = 1
    worker_seconds: int = 0
    shard_tables_from: int | None = None
    code_version: str = ""

    @classmethod
    def parse(cls, custom_config: Mapping[str, Any]) -> "TrainerSettings":
        """Parses ``custom_config``, whose values are JSON's.

        Raises:
            TypeError: If a setting is missing, unknown or of the wrong type.
            ValueError: If ``config`` has a field that the model does not have.
        """
        model = MODELS[custom_config["model"]]
        config = parse(model.config_class, custom_config["config"])
        rules = msgspec.convert(custom_config.get("rules"), Rules | None)
        parsed = {"model": model, "config": config, "rules": rules}
        return cls(**{**custom_config, **parsed})

    def tuned(self, values: Mapping[str, Any] | None) -> "TrainerSettings":
        """Returns the settings with those that a Tuner found.

        Settings that were set keep their values. The recipe is another one: with other
        values, it is not the same model retrained.

        Args:
            values: Setting → value, in JSON's types; None if there are none.

        Raises:
            ValueError: If the model is to take such settings, and there are none.
        """
        if values is None:
            if self.own.get("tuned") == "auto":
                raise ValueError(
                    f"no settings of {self.model.name} have been found yet, and "
                    f"models.{self.model.name}.tuned is auto: tune it first, or remove "
                    "the setting"
                )
            return self
        config = {**dataclasses.asdict(self.config), **values, **self.own}
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        return dataclasses.replace(
            self,
            config=parse(self.model.config_class, config),
            recipe=f"{self.recipe}-{digest[:6]}",
        )

    @property
    def num_candidates(self) -> int:
        """How many items are candidates at test time."""
        return self.num_items if self.model.lists_new_items else self.num_rated_items

    @property
    def is_closed_form(self) -> bool:
        """Whether the model is solved, rather than fitted by gradient descent."""
        return self.model.task == "closed_form"

    @property
    def learns_by_gradients(self) -> bool:
        """Whether the model or a part of it is fitted, rather than solved."""
        return not all(model.is_closed_form for model in self.parts.values() or [self])

    @property
    def parts(self) -> dict[str, "TrainerSettings"]:
        """The settings of the models that the model consists of, by their role."""
        return {
            role: dataclasses.replace(self, model=model, config=config)
            for role, (model, config) in parts_of(self.config).items()
        }

    @property
    def reads_times(self) -> bool:
        """Whether the model or a part of it reads the times of ratings."""
        if isinstance(self.config, CausalConfig):
            return self.config.reads_times
        return any(part.reads_times for part in self.parts.values())

    def card(self, sizes: Sizes, parameters: int) -> ModelCard:
        """Returns the card of a model of so many weights, before its training."""
        return ModelCard(
            model=self.model.name,
            parameters=parameters,
            config=dataclasses.asdict(self.config),
            recipe=self.recipe,
            fields=[*sizes.user_fields, *sizes.item_fields],
            split=self.split,
            events=self.events,
            judged=self.judged,
            again_after=self.again_after,
            context=self.context,
            rules=self.rules,
        )

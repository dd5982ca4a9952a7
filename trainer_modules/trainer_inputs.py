"""Reads what the artifacts that TFX passes to a Trainer decide about its model."""

import dataclasses
from collections.abc import Sequence

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.item_feed import read_feed
from trainer_modules.list_rules import ListRules
from trainer_modules.minimum_age import check_ages_of_users
from trainer_modules.sizes import (
    Sizes,
    new_items,
    read_item_fields,
    read_items,
    user_fields,
    user_vectors,
    user_weights,
    with_values,
)
from trainer_modules.time_context import TimeContext
from trainer_modules.trainer_settings import TrainerSettings


def read_settings(fn_args: FnArgs) -> TrainerSettings:
    """Returns the settings of a Trainer, with those that a Tuner found."""
    settings = TrainerSettings.parse(fn_args.custom_config)
    return settings.tuned(fn_args.hyperparameters)


def read_data(
    fn_args: FnArgs,
    transform: tft.TFTransformOutput,
    settings: TrainerSettings,
) -> Data:
    """Returns what the Trainer was given; records are read later, when needed."""
    sizes, item_values, new_ids = read_sizes(
        transform,
        settings.catalogue,
        settings.leave_out,
        settings.model.lists_new_items,
    )
    context = None
    if settings.context:
        context = TimeContext(**settings.context)
        sizes = dataclasses.replace(
            sizes,
            num_context_fields=len(context.fields),
            num_context_values=context.num_values,
        )
    return Data(
        train_files=fn_args.train_files,
        eval_files=fn_args.eval_files,
        feature_spec=transform.transformed_feature_spec(),
        sizes=sizes,
        num_unknown_items=sizes.num_unlisted(settings.num_items_before_test),
        item_values=item_values,
        new_items=new_ids,
        reads_times=settings.reads_times,
        counts_repeats=settings.counts_repeats,
        again_after=settings.again_after,
        context=context,
        rules=_rules(settings, transform, new_ids),
    )


def _rules(
    settings: TrainerSettings,
    transform: tft.TFTransformOutput,
    new_ids: Sequence[bytes],
) -> ListRules | None:
    """Returns the rules of lists; checked before the training, which may take hours."""
    rules = settings.rules
    if rules is None:
        return None
    item_ids = transform.vocabulary_by_name(f.ITEM_VOCABULARY)
    if rules.minimum_age:
        check_ages_of_users(rules.minimum_age, transform, settings.leave_out)
        if rules.feed and rules.minimum_age.item_field_in == "feed":
            read_feed(rules.feed.path, rules)  # without it, no item has a minimum age
    return ListRules(rules, [*item_ids, *new_ids], read_items(settings.catalogue))


def read_sizes(
    transform: tft.TFTransformOutput,
    catalogue: str,
    leave_out: Sequence[str],
    lists_new_items: bool = False,
) -> tuple[Sizes, list[bytes], list[bytes]]:
    """Reads what the transform graph and the catalogue decide about a model.

    Args:
        transform: The graph, with the vocabularies.
        catalogue: Folder of the Catalogue artifact.
        leave_out: Names of side features of items that the model must not read.
        lists_new_items: Whether the model lists items without a row of their own.

    Returns:
        The sizes; the vocabulary of the items' side features (``item_values``),
        "name=value", without the reserved rows; and the ids of the items without a row
        that have a side feature, if the model lists them.
    """
    item_ids = transform.vocabulary_by_name(f.ITEM_VOCABULARY)
    user_values = transform.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    new_ids = new_items(catalogue, item_ids) if lists_new_items else []
    item_fields, item_values = read_item_fields(catalogue, item_ids, leave_out, new_ids)
    num_items = len(item_ids) + f.NUM_RESERVED
    new_ids, item_fields = with_values(new_ids, item_fields, num_items)
    vectors = user_vectors(transform.transformed_feature_spec())
    num_users = transform.vocabulary_size_by_name(f.USER_VOCABULARY)
    sizes = Sizes(
        num_users=num_users + f.NUM_RESERVED,
        num_items=num_items,
        user_fields=(*user_fields(user_values), *vectors),
        user_vectors=vectors,
        user_weights=user_weights(transform.transformed_feature_spec()),
        num_user_values=len(user_values) + f.NUM_RESERVED,
        item_fields=item_fields,
        num_item_values=len(item_values) + f.NUM_RESERVED,
        num_new_items=len(new_ids),
    )
    return sizes, item_values, new_ids

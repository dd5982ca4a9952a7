"""The rule of a minimum age, as part of the exported model's graph.

Ages are years. Shapes: B users, I items with an index of their own, N rows of a feed, W
values of an item.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules import features as f
from trainer_modules.configs.list_rules import AGE_PATTERN, MinimumAge
from trainer_modules.request_lists import values_of

_UNKNOWN = -1.0
_NO_AGE = "is not an age, such as 12 or 12.5"
_PLACE = "lists.rules, minimum_age"


class MinimumAges(tf.Module):
    """The minimum ages of the items, and who may see them."""

    def __init__(self, rule: MinimumAge, rows: Sequence[int], catalogue: pa.Table):
        """Takes the minimum ages of the catalogue.

        Args:
            rule: The rule.
            rows: Row of each item in the catalogue, [I].
            catalogue: The items and their side features.

        Raises:
            ValueError: If the catalogue lacks the field, or has a value that is not an
                age.
        """
        super().__init__()
        self.rule = rule
        ages = [rule.unknown_item] * catalogue.num_rows
        if rule.item_field_in == "items":
            ages = _of_catalogue(rule, catalogue)
        own = tf.constant([ages[row] for row in rows], tf.float32)
        self._own = tf.Variable(own, trainable=False)
        self._now = tf.Variable(own, trainable=False)

    def replaced(self, row: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
        """Returns minimum ages [I], those of rows [N] replaced by texts [N, W].

        Of several, the highest counts. Rows without any keep those of the catalogue.
        """
        age = tf.reduce_max(_ages(given), 1)
        is_given = age >= 0
        row = tf.boolean_mask(row, is_given)[:, tf.newaxis]
        age = tf.boolean_mask(age, is_given)
        return tf.tensor_scatter_nd_update(self._own.value(), row, age)

    def assign(self, ages: tf.Tensor) -> None:
        """Makes ages [I] the minimum ages from now on."""
        self._now.assign(ages)

    def of_users(
        self, raw: Mapping[str, tf.RaggedTensor], pairs: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns the ages of users, [B].

        Args:
            raw: Raw features of the users, [B, (N)] each. Of several values, the lowest
                counts. A value that is not an age makes it unknown.
            pairs: Side features of requests as "name=value", [B, N]; "age=12" takes
                precedence.
        """
        user_field = self.rule.user_field
        age = tf.fill(tf.shape(raw[f.USER_ID])[:1], _UNKNOWN)
        if user_field:
            known = raw[f.USER_FEATURE_PREFIX + user_field]
            age = _lowest(known)
        if pairs is not None:
            given = values_of(f.AGE, pairs, tf.string)
            age = tf.where(given.row_lengths() > 0, _lowest(given), age)
        is_known = (age >= 0) & tf.math.is_finite(age)
        return tf.where(is_known, age, self.rule.unknown_user)

    def suit(self, age: tf.Tensor | None) -> tf.Tensor:
        """Returns which items users of ages [B] may see, [B, I].

        Without ages, it is which items users of an unknown age may see, [1, I].
        """
        if age is None:
            age = tf.constant([self.rule.unknown_user], tf.float32)
        return self._now <= age[:, tf.newaxis]


def check_ages_of_users(
    rule: MinimumAge, transform: tft.TFTransformOutput, leave_out: Sequence[str]
) -> None:
    """Checks the field of the users' ages.

    Values are in the vocabulary of the users' side features, unless the field is left
    out of it. Numbers were checked when they were read; one below 0 is an unknown age.

    Raises:
        ValueError: If the field does not exist, or has a value that is not an age.
    """
    if not rule.user_field:
        return
    name = f.USER_FEATURE_PREFIX + rule.user_field
    raw = transform.raw_feature_spec()
    if name in raw and name in leave_out:
        return
    vocabulary = transform.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    values = [value.decode() for value in vocabulary if b"=" in value]
    found = [text.partition("=")[2] for text in values if text.startswith(f"{name}=")]
    if not found:
        names = {text.partition("=")[0] for text in values}
        raise _lacks("the users' file", rule.user_field, names, f.USER_FEATURE_PREFIX)
    for text in found if raw[name].dtype == tf.string else ():
        if not re.fullmatch(AGE_PATTERN, text):
            raise ValueError(
                f"{_PLACE}: the {rule.user_field} {text!r:.40} of a user {_NO_AGE}"
            )


def _of_catalogue(rule: MinimumAge, catalogue: pa.Table) -> list[float]:
    name = f.ITEM_FEATURE_PREFIX + rule.item_field
    if name not in catalogue.column_names:
        names = filter(f.is_item_feature, catalogue.column_names)
        raise _lacks("the items' file", rule.item_field, names, f.ITEM_FEATURE_PREFIX)
    found = []
    for item, values in zip(
        catalogue[f.ITEM_ID].to_pylist(), catalogue[name].to_pylist(), strict=True
    ):
        ages = [_age(value) for value in values or []]
        if not all(age >= 0 for age in ages):
            wrong = next(v for v in values if not _age(v) >= 0)
            what = f"the {rule.item_field} {wrong!r:.40} of item {item!r}"
            raise ValueError(f"{_PLACE}: {what} {_NO_AGE}")
        found.append(max(ages, default=rule.unknown_item))
    return found


def _age(value: str | float) -> float:
    """Returns an age; NaN if the value is not one."""
    if isinstance(value, str):
        return float(value) if re.fullmatch(AGE_PATTERN, value) else math.nan
    return value


def _lacks(file: str, field: str, names: Iterable[str], prefix: str) -> ValueError:
    known = sorted(name.removeprefix(prefix) for name in names)
    close = difflib.get_close_matches(field, known, 1)
    few = ", ".join(known[:10]) or "none"
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {few}"
    return ValueError(f"{_PLACE}: {file} has no field {field!r}; {hint}")


def _ages(texts: tf.Tensor) -> tf.Tensor:
    """Returns ages; -1 for texts that are none."""
    is_age = tf.strings.regex_full_match(texts, AGE_PATTERN)
    return tf.strings.to_number(tf.where(is_age, texts, str(_UNKNOWN)), tf.float32)


def _lowest(values: tf.RaggedTensor) -> tf.Tensor:
    """Returns the lowest age of each row [B, (N)]; infinity for a row without any."""
    flat = values.flat_values
    flat = _ages(flat) if flat.dtype == tf.string else tf.cast(flat, tf.float32)
    flat = tf.where(tf.math.is_nan(flat), _UNKNOWN, flat)
    return tf.reduce_min(values.with_flat_values(flat).to_tensor(math.inf), 1)

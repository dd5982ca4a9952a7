"""What a model may implement, beyond scoring, to be trained in a way of its own."""

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import tensorflow as tf

from trainer_modules.configs.base import GradientConfig, Optimizer
from trainer_modules.interactions import Interactions


class ClosedForm(Protocol):
    """A model that is solved rather than fitted by gradient descent."""

    def solve(self, interactions: Interactions) -> None:
        """Sets the model's variables from all positive pairs."""


class Causal(Protocol):
    """A model with a state after each item of a history, which scores by products."""

    def states(
        self, last: Mapping[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Returns the state after each of the last items, [B, L, D].

        A state depends only on its own and earlier positions.

        Args:
            last: ``history_item_index`` [B, L], padded with 0 in front; and
                ``history_timestamp`` [B, L] if the model reads times.
            training: Whether to apply dropout.
        """

    def items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors [..., D] of items [...] as candidates."""


@runtime_checkable
class ScoresByProducts(Protocol):
    """A model whose scores are inner products, which an index of the items can find."""

    def users(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the vectors of users [B, D]."""

    def items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors [..., D] of items [...]."""


@runtime_checkable
class RetrievesCandidates(Protocol):
    """A model that orders the best items of another one, the candidates.

    Attributes:
        retrieval: The other model.
        num_candidates: How many of its best items are candidates.
    """

    retrieval: tf.keras.Model
    num_candidates: int

    def in_order(
        self,
        features: Mapping[str, tf.Tensor],
        candidates: tf.Tensor,
        best: tf.Tensor,
        others: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the scores of candidates [B, N] and those of other items [B, M].

        Args:
            features: Features of the users, [B, ...] each.
            candidates: Indices of the candidates, [B, N].
            best: The retrieval model's score of each user's best candidate, [B, 1].
            others: The retrieval model's scores of the other items, [B, M].
        """


def products_of(model: tf.keras.Model) -> ScoresByProducts | None:
    """Returns the model, or the one that retrieves for it, if it scores by products."""
    retrieval = getattr(model, "retrieval", model)
    return retrieval if isinstance(retrieval, ScoresByProducts) else None


@runtime_checkable
class OnAGraph(Protocol):
    """A model whose training propagates vectors along the likes as edges.

    It scores without the edges, by variables that ``propagate`` sets.
    """

    def connect(self, interactions: Interactions) -> None:
        """Sets the edges; called before training, with the likes it learns from."""

    def propagate(self) -> None:
        """Updates what scoring reads; called after each epoch, before validation."""


@runtime_checkable
class TrainedInHalves(Protocol):
    """A model whose halves are trained alone before the whole is."""

    def pretrain(self) -> Iterator[tuple[tf.keras.Model, GradientConfig]]:
        """Yields each half with the settings to train it by, then joins the halves."""


@runtime_checkable
class PartlyOptimizedApart(Protocol):
    """A model with layers that have an optimizer of their own."""

    @property
    def optimized_apart(self) -> list[tuple[tf.keras.layers.Layer, Optimizer, float]]:
        """Those layers, each with its optimizer and learning rate."""

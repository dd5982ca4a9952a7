"""Settings of the model that retrieves by one model and ranks by another."""

import dataclasses
from typing import Annotated, Any

from msgspec import Meta

ModelName = Annotated[str, Meta(min_length=1, description="the name of a model")]
# More candidates would take as long as ranking a catalogue.
NumCandidates = Annotated[int, Meta(ge=1, le=10_000)]


@dataclasses.dataclass(frozen=True)
class TwoStageConfig:
    """Covington et al. 2016, figure 2: hundreds of candidates.

    Attributes:
        retrieval: Name of the model whose best items are the candidates.
        ranking: Name of the model that orders the candidates.
        candidates: Number of candidates of each user. If the catalogue has fewer items,
            all are; a longer list continues in the order of the retrieval model.
        retrieval_settings: Settings of the retrieval model; without them, those under
            ``models.<name>``.
        ranking_settings: Settings of the ranking model; without them, those under
            ``models.<name>``.
    """

    retrieval: ModelName = "two_tower"
    ranking: ModelName = "deepfm"
    candidates: NumCandidates = 500
    retrieval_settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    ranking_settings: dict[str, Any] = dataclasses.field(default_factory=dict)

"""Assigns colours to models.

They are the page's own (``var(--series-0)`` …), which follow its light and dark theme.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import altair as alt

LIVE_BEFORE = "live before"  # name of the model that was live when the gate decided
NUM_COLOURS = 8  # in report.css
DASHES = ([1, 0], [6, 3], [2, 2])  # of lines, for more models than there are colours


@dataclasses.dataclass(frozen=True)
class Colours:
    """The colours of the models, the same in every chart.

    Attributes:
        of: Model → CSS colour.
        dash: Model → dashes of its lines.
    """

    of: Mapping[str, str]
    dash: Mapping[str, Sequence[int]]

    @classmethod
    def for_models(cls, names: Iterable[str], reference: str | None) -> "Colours":
        """Assigns grey to the reference, and colours to the others in their order."""
        grey = {name: "var(--reference)" for name in (reference, LIVE_BEFORE) if name}
        others = [name for name in names if name not in grey]
        return cls(
            {
                **{
                    name: f"var(--series-{place % NUM_COLOURS})"
                    for place, name in enumerate(others)
                },
                **grey,
            },
            {
                **{
                    name: DASHES[place // NUM_COLOURS % len(DASHES)]
                    for place, name in enumerate(others)
                },
                **dict.fromkeys(grey, DASHES[1]),
            },
        )

    def swatch(self, name: str) -> str:
        """Returns the colour's CSS class: the page's policy forbids inline styles."""
        return self.of[name].removeprefix("var(--").removesuffix(")")

    def scale(self, names: Sequence[str]) -> alt.Scale:
        """Returns the scale of an encoding of the models."""
        return alt.Scale(domain=list(names), range=[self.of[name] for name in names])

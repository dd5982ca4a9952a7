"""Which model has which colour: the page's own (``var(--series-0)`` …).

So they follow light and dark.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import altair as alt

from pipeline.views.html.report_contents import LIVE_BEFORE

NUM_COLOURS = 8  # in report.css
DASHES = ([1, 0], [6, 3], [2, 2])  # of lines, for more models than there are colours


@dataclasses.dataclass(frozen=True)
class Colours:
    """The same colour for a model in every chart.

    Attributes:
        of: Model → CSS colour.
        dash: Model → of its lines.
    """

    of: Mapping[str, str]
    dash: Mapping[str, Sequence[int]]

    @classmethod
    def for_models(cls, names: Iterable[str], reference: str | None) -> "Colours":
        """Gives grey to the bar, and colours to the others in their order."""
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
        """A CSS class of that colour: the page's policy forbids styles of elements."""
        return self.of[name].removeprefix("var(--").removesuffix(")")

    def scale(self, names: Sequence[str]) -> alt.Scale:
        """For an encoding of the models."""
        return alt.Scale(domain=list(names), range=[self.of[name] for name in names])

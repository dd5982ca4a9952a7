"""A user's list from the live model."""

from typing import TYPE_CHECKING

from rich.text import Text

from components.wording import counted
from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:  # TensorFlow takes seconds to import
    from pipeline.recommend.one_user import Answer

_LIKES_SHOWN = 5


def print_answer(console: Terminal, answer: "Answer") -> None:
    """A user's list from the live model."""
    told = Text.assemble((f"User {inert(answer.user)}", "bold"))
    if answer.known:
        told.append(f"  {answer.rated:,} rated, {len(answer.liked):,} liked")
    else:
        told.append("  not among the ratings: ", "yellow")
        told.append("what the likes say" if answer.liked else "what is liked most")
    told.append(f"\nasked: {inert(answer.model)}, version {answer.version}")
    if answer.liked:
        shown = "; ".join(answer.liked[-_LIKES_SHOWN:])
        told.append(f"\nliked last: {inert(shown)}")
    console.print(told)
    console.print()
    table = headed_table()
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("title", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    has_reasons = any(item.reasons for item in answer.items)
    if has_reasons:
        table.add_column("liked together with", overflow="fold")
    for place, item in enumerate(answer.items, start=1):
        reasons = "; ".join(
            f"{reason.title} ({counted(reason.users, 'user')})"
            for reason in item.reasons
        )
        cells = [str(place), inert(item.title), f"{item.score:.4f}"]
        table.add_row(*map(Text, [*cells, inert(reasons)] if has_reasons else cells))
    console.print(table)

"""Prints lists of items: a user's, and those similar to an item."""

from typing import TYPE_CHECKING

from rich.text import Text

from components.wording import counted
from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:  # TensorFlow takes seconds to import
    from pipeline.recommend.one_user import Answer
    from pipeline.recommend.similar_items import SimilarList

_LIKES_SHOWN = 5


def print_answer(console: Terminal, answer: "Answer") -> None:
    """Prints a user's list from the live model."""
    heading = Text.assemble((f"User {inert(answer.user)}", "bold"))
    if answer.known:
        heading.append(f"  {answer.rated:,} rated, {len(answer.liked):,} liked")
    else:
        heading.append("  not among the ratings: ", "yellow")
        heading.append(
            "based on the given likes" if answer.liked else "the most popular items"
        )
    heading.append(f"\nmodel: {inert(answer.model)}, version {answer.version}")
    if answer.liked:
        shown = "; ".join(answer.liked[-_LIKES_SHOWN:])
        heading.append(f"\nlast liked: {inert(shown)}")
    console.print(heading)
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
    if answer.short:
        console.print(Text(inert(answer.short), "yellow"))


def print_similar(console: Terminal, answer: "SimilarList") -> None:
    """Prints the items that are similar to one."""
    heading = Text.assemble((f"Similar to {inert(answer.title)}", "bold"))
    heading.append(
        f"\nmodel: {inert(answer.model)}, version {answer.version}; "
        + {
            "vectors": "cosines of the model's item vectors",
            "likes": "cosines of the users who like both items",
        }[answer.made_of]
    )
    console.print(heading)
    console.print()
    table = headed_table()
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("title", overflow="fold")
    table.add_column("cosine", justify="right", no_wrap=True)
    for place, item in enumerate(answer.items, start=1):
        cells = (str(place), inert(item.title), f"{item.score:.4f}")
        table.add_row(*map(Text, cells))
    console.print(table)

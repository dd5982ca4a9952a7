"""What figures of shown lists mean and leave out, for the terminal and the report."""

from components.wording import counted
from pipeline.online.figures import Online
from pipeline.views.formatting import duration


def notes(online: Online) -> list[str]:
    """Returns sentences."""
    lines = [
        f"An event counts for a list within {duration(online.window)}. Intervals are "
        "at 95 %, with the user as the unit."
    ]
    if online.not_over:
        number = counted(online.not_over, "list")
        lines.append(f"{number} not counted yet: this time is not over.")
    if online.shadow:
        lines.append(f"{counted(online.shadow, 'list')} not shown, and left out.")
    if online.share < 1:
        lines.append(
            f"At least {online.share:.2%} of the lists are logged: an event after one "
            "that is not logged may count for an earlier one."
        )
    if not online.versions:
        lines.append("No list can be counted.")
    return [*lines, *online.damaged]

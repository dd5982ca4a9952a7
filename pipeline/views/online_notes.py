"""What figures of shown lists mean and leave out, for the terminal and the report."""

from components.wording import counted
from pipeline.online.figures import Online

_UNITS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}


def notes(online: Online) -> list[str]:
    """Returns sentences."""
    lines = [
        f"An event counts for a list within {_window(online.window)}. Intervals are at "
        "95 %, with the user as the unit."
    ]
    if online.not_over:
        number = counted(online.not_over, "list")
        lines.append(f"{number} not counted yet: this time is not over.")
    if online.not_shown:
        lines.append(f"{counted(online.not_shown, 'list')} not shown, and left out.")
    if online.share < 1:
        lines.append(
            f"At least {online.share:.2%} of the lists are logged: an event after one "
            "that is not logged may count for an earlier one."
        )
    if not online.versions:
        lines.append("No list can be counted.")
    return [*lines, *online.damaged]


def _window(seconds: int) -> str:
    """Returns 1 day, 90 minutes or 45 seconds."""
    name, size = next(each for each in _UNITS.items() if not seconds % each[1])
    return counted(seconds // size, name)

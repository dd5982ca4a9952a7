"""Recognises ratings that all have the same label."""

from pipeline.config.sections import LABEL_OF_EVENTS, LabelConfig
from trainer_modules.bounds import compare


def explain_one_label(
    label: LabelConfig, lowest: float | None, highest: float | None
) -> str | None:
    """Explains the consequences if all ratings have the same label.

    Args:
        label: When a rating is liked, and when it is disliked.
        lowest: The lowest rating; None if there are no ratings.
        highest: The highest rating; None if there are no ratings.

    Returns:
        One or two sentences; None if some ratings are liked and some are disliked, or
        ``label.threshold`` or ``events.types`` declares that none is disliked.
    """
    if label.threshold == "all" or label == LABEL_OF_EVENTS:
        return None
    if lowest is None or highest is None:
        return None
    if not compare(highest, label.threshold, ">"):
        found = f"No rating is liked under label.threshold '{label.threshold}'"
    elif label.negative is None:
        if not compare(lowest, label.threshold, ">"):
            return None
        found = f"Every rating is liked under label.threshold '{label.threshold}'"
    else:
        if compare(lowest, label.negative, "<"):
            return None
        found = f"No rating is disliked under label.negative '{label.negative}'"
    scale = f"all are {lowest:g}"
    choose = ""
    if lowest < highest:
        scale = f"they range from {lowest:g} to {highest:g}"
        choose = ", or choose a bound within their range"
    return (
        f"{found} ({scale}): AUC is not defined, and models that learn liked from "
        "disliked ratings cannot be trained without sampled negatives. Set "
        f"label.threshold=all if each rating is a like{choose}."
    )

"""A page of a list as a server logs it."""

from collections.abc import Sequence

from pipeline.list_log.shown import Shown


def page(user: str, items: Sequence[str], history: Sequence[str]) -> Shown:
    """Returns a page of a user without features, in data without times or types."""
    return Shown(
        time=1_795_174_200_000_000,
        share=0.5,
        version=3,
        model="mf_als",
        user=user,
        known=True,
        k=10,
        start=0,
        items=items,
        scores=[0.1 * place for place in range(len(items))],
        probabilities=[1.0] * len(items),
        ranks=range(len(items)),
        pool=(),
        short="",
        at=1_795_174_200,
        excluded=(),
        filters=(),
        has_feed=False,
        history_items=history,
        history_ratings=[4.0] * len(history),
        history_times=(),
        history_types=(),
        user_features=(),
        call_rows=4,
        call_place=2,
        call_k=10,
        call_widths={"history_item_id": 9},
        arm="",
        seconds=0.01,
        failed=False,
    )

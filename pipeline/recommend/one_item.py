"""Items that are similar to one, by the live model's vectors or by the likes."""

from pathlib import Path

from components.catalogue_gen import read_catalogue
from pipeline.lineage import accepted_data
from pipeline.recommend.item_titles import Titles
from pipeline.recommend.list_rules import feed_now
from pipeline.recommend.one_user import live_model, load_version
from pipeline.recommend.similar_items import (
    ARE_LISTED,
    CANDIDATES,
    SIGNATURE,
    SimilarList,
    listed_inputs,
    only_listed,
    similar_inputs,
)
from pipeline.recommend.user_history import Histories, files_of, listed


def similar_items(out: Path, text: str, k: int) -> tuple[SimilarList, str]:
    """Returns the items that are similar to one, and what is wrong with the feed.

    Args:
        out: Folder of the runs.
        text: ID or title of the item.
        k: Maximum number of items.

    Returns:
        The list; and why the feed of available items is not in use, or that it is
        stale, "" if all is well.

    Raises:
        VersionError: If no model is live, or its files are not those that were pushed.
        NoLineageError: If the data with which the version was accepted is missing.
        UnknownItemError: If the text matches no item, or more than one.
        HostileModelError: If the model does more than compute. It is not loaded.
        FeedError: If the feed leaves no item to list.
    """
    live = live_model(out)
    data = accepted_data(out, live)
    titles = Titles(read_catalogue(str(data.catalogue)))
    item_id = titles.find(text)
    feed = feed_now(live.folder)
    model = load_version(live.folder, feed.inputs)
    if SIGNATURE in model.signature_defs:
        answer = model.function(SIGNATURE)(similar_inputs(item_id, k))
        found = listed(answer["item_id"][0], answer["score"][0])
        return SimilarList.of(item_id, "vectors", live, titles, found), feed.problem
    likes = Histories(files_of(str(data.examples))).likes(data.threshold)
    found = likes.similar(item_id, CANDIDATES)
    if found and ARE_LISTED in model.signature_defs:
        answer = model.function(ARE_LISTED)(listed_inputs(found))
        found = only_listed(found, answer, k)
    return SimilarList.of(item_id, "likes", live, titles, found[:k]), feed.problem

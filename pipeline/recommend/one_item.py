"""Items that are similar to one, by the live model's vectors or by the likes."""

from pathlib import Path

from components.catalogue_gen import read_catalogue
from components.exported_model import ExportedModel
from pipeline.lineage import accepted_data
from pipeline.recommend.item_titles import Titles
from pipeline.recommend.one_user import live_model
from pipeline.recommend.similar_items import SIGNATURE, SimilarList, similar_inputs
from pipeline.recommend.user_history import Histories, files_of, listed


def similar_items(out: Path, text: str, k: int) -> SimilarList:
    """Returns the items that are similar to one.

    Args:
        out: Folder of the runs.
        text: ID or title of the item.
        k: Maximum number of items.

    Raises:
        VersionError: If no model is live, or its files are not those that were pushed.
        NoLineageError: If the data with which the version was accepted is missing.
        UnknownItemError: If the text matches no item, or more than one.
        HostileModelError: If the model does more than compute. It is not loaded.
    """
    live = live_model(out)
    data = accepted_data(out, live)
    titles = Titles(read_catalogue(str(data.catalogue)))
    item_id = titles.find(text)
    model = ExportedModel(live.folder)
    if SIGNATURE in model.signature_defs:
        answer = model.function(SIGNATURE)(similar_inputs(item_id, k))
        found = listed(answer["item_id"][0], answer["score"][0])
        return SimilarList.of(item_id, "vectors", live, titles, found)
    likes = Histories(files_of(str(data.examples))).likes(data.threshold)
    return SimilarList.of(item_id, "likes", live, titles, likes.similar(item_id, k))

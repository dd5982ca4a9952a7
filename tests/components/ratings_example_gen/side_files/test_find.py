"""The files of items and users beside ratings that are recognised already."""

from components.ratings_example_gen import Settings, recognise_ratings
from components.ratings_example_gen.side_files import find


def test_recognised_ratings_are_not_recognised_again(tmp_path, monkeypatch):
    (tmp_path / "ratings.csv").write_text("user_id,item_id\nu1,i1\n")
    (tmp_path / "items.csv").write_text("item_id,title\ni1,Lamp\n")
    layout = recognise_ratings(tmp_path, Settings())
    monkeypatch.setattr(find, "recognise_for", None)
    found = find.side_files_of(str(tmp_path), Settings(), layout)
    assert found.items.path == str(tmp_path / "items.csv")

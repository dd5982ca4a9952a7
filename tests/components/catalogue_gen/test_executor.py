"""The component's executor on Examples written by TensorFlow."""

import json
from types import SimpleNamespace

import pytest
import tensorflow as tf
from tfx import types
from tfx.types import standard_artifacts

from components.catalogue_gen import executor, read_catalogue
from components.catalogue_gen.artifacts import Catalogue
from components.catalogue_gen.component import CatalogueGen
from components.catalogue_gen.driver import Driver
from components.catalogue_gen.executor import Executor
from components.ratings_example_gen import Settings
from components.ratings_example_gen.input_errors import BadInputError
from trainer_modules.features import Kind


@pytest.fixture
def examples(tmp_path) -> types.Artifact:
    """Two items are in one split only, "é" in two users' lists."""
    rated = {
        "train": [["1", "é"], ["é"], []],
        "eval": [["only-eval"]],
        "test": [["é", "only-test"], ["1", "only-eval"]],
    }
    artifact = standard_artifacts.Examples()
    artifact.uri = str(tmp_path / "examples")
    artifact.split_names = '["train", "eval", "test"]'
    for split, users in rated.items():
        folder = tmp_path / "examples" / f"Split-{split}"
        folder.mkdir(parents=True)
        path = str(folder / "data_tfrecord-00000-of-00001.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for ids in users:
                example = tf.train.Example()
                feature = example.features.feature["item_id"].bytes_list
                feature.value.extend(item_id.encode() for item_id in ids)
                writer.write(example.SerializeToString())
    return artifact


def run(examples: types.Artifact, tmp_path, items: str, **more) -> Catalogue:
    ratings = tmp_path / "ratings" / "ratings.csv"
    ratings.parent.mkdir()
    ratings.write_text("user_id,item_id,rating\nu,1,3\n")
    component = CatalogueGen(
        types.Channel(type=standard_artifacts.Examples),
        str(ratings),
        Settings(items=items or None, **more),
        "code",
    )
    artifact = Catalogue()
    artifact.uri = str(tmp_path / "catalogue")
    (tmp_path / "catalogue").mkdir()
    Executor().Do(
        {"examples": [examples]}, {"catalogue": [artifact]}, component.exec_properties
    )
    return artifact


def test_an_items_file_that_changes_while_it_is_read_is_refused(
    examples, tmp_path, monkeypatch
):
    path = tmp_path / "items.csv"
    path.write_text("item_id,title\n1,One\n")
    read = executor.read_items

    def read_and_change(*arguments):
        items = read(*arguments)
        path.write_text("item_id,title\n1,Two\n")
        return items

    monkeypatch.setattr(executor, "read_items", read_and_change)
    with pytest.raises(BadInputError, match="items.csv: the file changed"):
        run(examples, tmp_path, str(path))


def test_with_an_items_file(examples, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,title,colour\n1,Old,\n1,One,red\n9,Nine,blue\n")
    artifact = run(examples, tmp_path, str(path))
    assert read_catalogue(artifact.uri).to_pylist() == [
        {"item_id": "1", "title": "One", "item_colour": ["red"]},
        {"item_id": "9", "title": "Nine", "item_colour": ["blue"]},
        {"item_id": "only-eval", "title": None, "item_colour": []},
        {"item_id": "only-test", "title": None, "item_colour": []},
        {"item_id": "é", "title": None, "item_colour": []},
    ]
    assert artifact.get_int_custom_property("items") == 5
    assert artifact.get_int_custom_property("items_without_features") == 3
    assert artifact.get_int_custom_property("items_never_rated") == 1
    assert artifact.get_int_custom_property("items_first_rated_in_test") == 1
    assert json.loads((tmp_path / "catalogue" / "counts.json").read_text()) == {
        **{"items": 5, "items_without_features": 3, "items_never_rated": 1},
        "items_first_rated_in_test": 1,
        "first_without": ["only-eval", "only-test", "é"],
        **{"file": str(path), "repeated": 1},
    }


def test_without_an_items_file(examples, tmp_path):
    artifact = run(examples, tmp_path, "")
    table = read_catalogue(artifact.uri)
    assert table.to_pydict() == {
        "item_id": ["1", "only-eval", "only-test", "é"],
        "title": [None] * 4,
    }
    assert artifact.get_int_custom_property("items_without_features") == 4


def test_items_that_arrive_beside_the_ratings_are_noticed_when_the_step_runs(tmp_path):
    def found():
        settings = Settings().to_json()
        told = SimpleNamespace(
            exec_properties={"ratings": str(tmp_path), "settings": settings}
        )
        properties = Driver(None).run(told).exec_properties
        return (
            properties["items"].string_value,
            properties["items_fingerprint"].string_value,
        )

    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating\n1,2,3\n")
    assert found() == ("", "")
    (tmp_path / "items.csv").write_text("item_id,title\n2,Two\n")
    items, first = found()
    assert items == str(tmp_path / "items.csv")
    assert first
    (tmp_path / "items.csv").write_text("item_id,title\n2,Another\n")
    assert found()[1] != first


def test_numbers_are_floats_and_their_column_has_the_kind(examples, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,price,colour\n1,2.5,red\né,,\nonly-test,-7,blue\n")
    kinds = {"item_price": Kind("numeric", 4)}
    table = read_catalogue(run(examples, tmp_path, str(path), kinds=kinds).uri)
    found = {row["item_id"]: row["item_price"] for row in table.to_pylist()}
    # "only-eval" is rated, and not in the file.
    assert found == {"1": [2.5], "é": [], "only-test": [-7.0], "only-eval": []}
    metadata = {field.name: field.metadata for field in table.schema}
    assert Kind.of_texts(metadata["item_price"]) == kinds["item_price"]
    assert metadata["item_colour"] is None

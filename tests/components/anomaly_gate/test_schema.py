"""Reading a schema, by hand-written ones."""

import pytest

from components.anomaly_gate.schema import (
    CURATED_SCHEMA,
    SchemaError,
    feature_kinds,
    rating_range,
    read_schema,
)
from trainer_modules.features import Kind


@pytest.fixture
def read(tmp_path):
    """Reads a schema from its text."""

    def _read(text):
        path = tmp_path / "mine.pbtxt"
        path.write_text(text)
        return read_schema(path)

    return _read


def test_rating_range_is_the_domain_of_rating(read):
    schema = read(
        'feature { name: "other" float_domain { min: 7 max: 8 } }'
        'feature { name: "rating" type: FLOAT float_domain { min: -1 max: 10 } }'
    )
    assert rating_range(schema) == (-1, 10)


def test_rating_range_includes_its_own_ends(read):
    """A domain is 32 bits wide: 4.7 comes out of it as 4.699999809265137."""
    schema = read('feature { name: "rating" float_domain { min: 0.1 max: 4.7 } }')
    assert rating_range(schema) == (0.1, 4.7)


def test_curated_range_is_that_of_movielens():
    assert rating_range(read_schema(CURATED_SCHEMA)) == (0.5, 5.0)


@pytest.mark.parametrize(
    "text",
    [
        'feature { name: "history_rating" float_domain { min: 1 max: 5 } }',
        'feature { name: "rating" type: FLOAT }',
        'feature { name: "rating" float_domain { min: 1 } }',
    ],
)
def test_missing_range_is_an_error(read, text):
    with pytest.raises(SchemaError, match="float_domain"):
        rating_range(read(text))


def test_typing_error_is_named_with_file_and_line(read):
    with pytest.raises(SchemaError, match=r"the schema .*mine\.pbtxt: 2:3 .*naem"):
        read('feature {\n  naem: "rating"\n}')


def test_a_schema_that_is_nested_too_deeply_is_an_error(read):
    deep = "feature { struct_domain { " * 2000 + "} " * 4000
    with pytest.raises(SchemaError, match="Cannot read the schema"):
        read(deep)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SchemaError, match=r"nowhere\.pbtxt.*schema propose"):
        read_schema(tmp_path / "nowhere.pbtxt")


def test_a_side_feature_of_type_float_is_numeric(read):
    schema = read(
        'feature { name: "rating" type: FLOAT }'
        'feature { name: "user_id" type: BYTES }'
        'feature { name: "user_age" type: BYTES }'
        'feature { name: "user_income" type: FLOAT }'
        'feature { name: "item_price" type: FLOAT annotation { tag: "buckets:20" } }'
    )
    assert feature_kinds(schema) == {
        "user_income": Kind("numeric", 10),
        "item_price": Kind("numeric", 20),
    }
    assert feature_kinds(read_schema(CURATED_SCHEMA)) == {}


def test_texts_and_ids_are_hashed(read):
    schema = read(
        'feature { name: "user_bio" type: BYTES natural_language_domain {} }'
        'feature { name: "item_about" type: BYTES natural_language_domain {}'
        ' annotation { tag: "buckets:50" } }'
        'feature { name: "item_seller" type: BYTES annotation { tag: "buckets:9000" } }'
    )
    assert feature_kinds(schema) == {
        "user_bio": Kind("text", 1000),
        "item_about": Kind("text", 50),
        "item_seller": Kind("hashed", 9000),
    }


def test_a_number_with_the_tag_of_times_is_a_time(read):
    schema = read(
        'feature { name: "item_released" type: FLOAT annotation { tag: "time" } }'
        'feature { name: "user_joined" type: FLOAT'
        ' annotation { tag: "time" tag: "buckets:20" } }'
    )
    assert feature_kinds(schema) == {
        "item_released": Kind("time", 10),
        "user_joined": Kind("time", 20),
    }


def test_a_float_of_several_values_is_a_vector(read):
    schema = read(
        'feature { name: "item_cover" type: FLOAT value_count { min: 64 max: 64 } }'
        'feature { name: "user_age" type: FLOAT value_count { max: 1 } }'
        'feature { name: "user_tags" type: BYTES value_count { min: 2 max: 2 } }'
    )
    assert feature_kinds(schema) == {
        "item_cover": Kind("vector", 64),
        "user_age": Kind("numeric", 10),
    }


def test_a_category_may_have_weights(read):
    schema = read(
        'feature { name: "item_genres" type: BYTES annotation { tag: "weights" } }'
    )
    assert feature_kinds(schema) == {"item_genres": Kind("weighted", 0)}


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("type: INT", 'user_age" is neither FLOAT, for numbers and times, nor'),
        ('type: BYTES annotation { tag: "hashed" }', 'unknown tag "hashed"'),
        ('type: BYTES annotation { tag: "time" }', 'unknown tag "time"'),
        ('type: FLOAT annotation { tag: "bucket:20" }', 'unknown tag "bucket:20"'),
        ('type: FLOAT annotation { tag: "buckets:0" }', 'unknown tag "buckets:0"'),
        ('type: FLOAT annotation { tag: "weights" }', "only a category can have"),
        (
            'type: BYTES annotation { tag: "weights" tag: "buckets:3" }',
            "no tag beside it",
        ),
        ("type: FLOAT value_count { min: 1 max: 3 }", "not declared as vectors of one"),
        ("type: FLOAT value_count { min: 3 }", "not declared as vectors of one length"),
        ("type: FLOAT shape { dim { size: 3 } }", "user_age.* not declared as vectors"),
        (
            'type: FLOAT value_count { min: 3 max: 3 } annotation { tag: "time" }',
            "without a shape or a tag",
        ),
    ],
)
def test_a_kind_that_does_not_exist_is_an_error(read, feature, message):
    schema = read(f'feature {{ name: "user_age" {feature} }}')
    with pytest.raises(SchemaError, match=message):
        feature_kinds(schema)

"""Reading a schema, by hand-written ones."""

import pytest

from components.anomaly_gate.schema import (
    CURATED_SCHEMA,
    SchemaError,
    rating_range,
    read_schema,
)


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

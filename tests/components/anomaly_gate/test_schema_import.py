"""The cache key of the step that imports the schema."""

from components.anomaly_gate.driver import Driver
from components.anomaly_gate.schema_import import ImportSchemaGen


def test_an_edited_schema_is_another_one(tmp_path):
    path = tmp_path / "mine.pbtxt"

    def key(text):
        path.write_text(text)
        component = ImportSchemaGen(schema_file=str(path))
        assert component.id == "ImportSchemaGen"
        return Driver(None).added_properties(component.exec_properties)

    first = key('feature { name: "user_age" type: BYTES }')
    assert key('feature { name: "user_age" type: FLOAT }') != first
    assert key('feature { name: "user_age" type: BYTES }') == first

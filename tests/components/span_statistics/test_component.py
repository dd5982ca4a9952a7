"""What SpanStatistics counts, held against a count by hand."""

from collections import Counter

import apache_beam as beam
import pytest
import tensorflow_data_validation as tfdv
from tfx.types import standard_artifacts

from components.ratings_example_gen.settings import Settings
from components.span_statistics.component import SpanStatistics

ROWS = [("u1", "i1", 4.0), ("u1", "i2", 2.5), ("u2", "i1", 5.0), ("u3", "i1", 4.0)]


@pytest.fixture
def counted(tmp_path):
    """The statistics of a span in two parts, beside an older one."""
    for name, rows in {"1": ROWS[:1] * 5, "2": ROWS}.items():
        span = tmp_path / name
        span.mkdir()
        for part in range(2):
            lines = [f"{u}::{i}::{r}::1600000000" for u, i, r in rows[part::2]]
            (span / f"part-{part}.csv").write_text("\n".join(lines) + "\n")
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = str(tmp_path / "statistics")
    examples = standard_artifacts.Examples()
    examples.set_string_custom_property("newest_span", "2")
    SpanStatistics.test_call(
        examples=examples,
        input_base=str(tmp_path),
        settings=Settings().to_json(),
        code_version="1",
        statistics=artifact,
        beam_pipeline=beam.Pipeline(runner="DirectRunner"),
    )
    assert artifact.split_names == '["ratings"]'
    assert artifact.get_string_custom_property("newest_span") == "2"
    path = f"{artifact.uri}/Split-ratings/FeatureStats.pb"
    return tfdv.load_stats_binary(path).datasets[0]


def test_every_rating_of_the_newest_span_is_counted_once(counted):
    assert counted.num_examples == len(ROWS)
    features = {each.path.step[0]: each for each in counted.features}
    assert set(features) == {"user_id", "item_id", "rating"}
    for place, name in enumerate(("user_id", "item_id")):
        buckets = features[name].string_stats.rank_histogram.buckets
        found = {bucket.label: bucket.sample_count for bucket in buckets}
        assert found == Counter(row[place] for row in ROWS)
    stars = [row[2] for row in ROWS]
    assert features["rating"].num_stats.mean == pytest.approx(sum(stars) / len(stars))
    assert features["rating"].num_stats.max == max(stars)

"""What SpanStatistics counts, compared with a count by hand."""

from collections import Counter

import apache_beam as beam
import pytest
import tensorflow_data_validation as tfdv
from tfx.types import standard_artifacts

from components.ratings_example_gen.fingerprints import fingerprint
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.settings import Settings
from components.span_statistics.component import SpanStatistics

ROWS = [("u1", "i1", 4.0), ("u1", "i2", 2.5), ("u2", "i1", 5.0), ("u3", "i1", 4.0)]


@pytest.fixture
def folder(tmp_path):
    """A span in two parts, beside an older one."""
    for name, rows in {"1": ROWS[:1] * 5, "2": ROWS}.items():
        span = tmp_path / name
        span.mkdir()
        for part in range(2):
            lines = [f"{u}::{i}::{r}::1600000000" for u, i, r in rows[part::2]]
            (span / f"part-{part}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(folder, expected=""):
    """Returns the artifact of the statistics of span 2."""
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = str(folder / "statistics")
    examples = standard_artifacts.Examples()
    examples.set_string_custom_property("newest_span", "2")
    examples.set_string_custom_property("newest_span_fingerprint", expected)
    SpanStatistics.test_call(
        examples=examples,
        input_base=str(folder),
        settings=Settings().to_json(),
        code_version="1",
        statistics=artifact,
        beam_pipeline=beam.Pipeline(runner="DirectRunner"),
    )
    return artifact


@pytest.fixture
def counted(folder):
    """The statistics of the span."""
    artifact = run(folder)
    assert artifact.split_names == '["ratings"]'
    assert artifact.get_string_custom_property("newest_span") == "2"
    path = f"{artifact.uri}/Split-ratings/FeatureStats.pb"
    return tfdv.load_stats_binary(path).datasets[0]


def test_a_span_that_changed_since_it_was_read_is_refused(folder):
    paths = [str(folder / "2" / f"part-{part}.csv") for part in range(2)]
    expected = fingerprint(paths)
    run(folder, expected)
    with open(paths[0], "a") as file:
        file.write("u9::i9::1::1600000000\n")
    with pytest.raises(BadInputError, match="changed while it was read"):
        run(folder, expected)


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

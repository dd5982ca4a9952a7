import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from msgspec.structs import replace

from pipeline.views.html.data_summary import Figure, Moved, compare, features


@pytest.fixture
def artifacts(tmp_path):
    """A function that makes what a run's steps put out."""

    def make(name, users, items, ratings):
        folder = tmp_path / name
        assets = folder / "transform" / "transform_fn" / "assets"
        statistics = folder / "statistics" / "Split-train"
        for each in (assets, statistics, folder / "examples"):
            each.mkdir(parents=True)
        (assets / "user_id").write_text("\n".join(users))
        (assets / "item_id").write_text("\n".join(items))
        table = pd.DataFrame({"rating": ratings, "user_id": users})
        proto = tfdv.generate_statistics_from_dataframe(table)
        (statistics / "FeatureStats.pb").write_bytes(proto.SerializeToString())
        return {
            ("RatingsExampleGen", "examples"): folder / "examples",
            ("StatisticsGen", "statistics"): folder / "statistics",
            ("Transform", "transform_graph"): folder / "transform",
        }

    return make


def test_statistics_are_those_of_the_numbers(artifacts):
    made = artifacts("a", ["u1", "u2", "u1", "u3"], ["i"], [1.0, 2.0, 4.0, 5.0])
    found = {each.name: each for each in features(made)}
    rating = found["rating"]
    assert (rating.values, rating.mean, rating.least, rating.most) == (4, 3, 1, 5)
    assert rating.deviation == pytest.approx((10 / 4) ** 0.5)
    assert sum(count for _, _, count in rating.buckets) == pytest.approx(4)
    assert (found["user_id"].unique, found["user_id"].top) == (3, "u1")


def test_users_and_items_that_came_and_went_are_counted(artifacts, run):
    before = artifacts("a", ["u1", "u2", "u3"], ["i1", "i2"], [1.0, 2.0, 4.0])
    now = artifacts("b", ["u2", "u3", "u4"], ["i1", "i2", "i3"], [1.0, 2.0, 4.0])
    earlier = replace(run, data=replace(run.data, users=900))
    changes = compare(run, now, earlier, before)
    assert changes.moved == [Moved("users", 1, 1, 2), Moved("items", 1, 0, 2)]
    assert Figure("users", 900, 1000) in changes.figures
    assert Figure("quarantined", 7, 7) in changes.figures
    assert not changes.is_same
    assert changes.ratings.mean == pytest.approx(7 / 3)
    assert compare(run, now, run, now).is_same


def test_what_is_gone_is_left_out(artifacts, run, tmp_path):
    now = artifacts("b", ["u2"], ["i1"], [1.0])
    changes = compare(run, now, run, {})
    assert (changes.moved, changes.ratings, changes.is_same) == ([], None, False)
    assert features({("StatisticsGen", "statistics"): tmp_path}) == []

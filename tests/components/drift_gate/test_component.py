"""DriftGate on statistics that SpanStatistics made of small spans."""

import json
from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import msgspec
import numpy as np
import pytest
from tfx.types import standard_artifacts

from components.anomaly_gate.schema import SPANS_SCHEMA
from components.drift_gate import DriftError
from components.drift_gate.component import Drift, DriftGate
from components.drift_gate.driver import Driver
from components.live_models import push
from components.ratings_example_gen.settings import Settings
from components.span_statistics.component import SpanStatistics
from trainer_modules import features as f
from trainer_modules.model_card import ModelCard, write_card

pytestmark = pytest.mark.integration

N = 2000
CARD = ModelCard("mf_als", 1, {}, origin="m")


def ratings(
    seed,
    stars=(1, 2, 3, 4, 5),
    share_of_one_user=0.0,
    num_items=50,
    share_of_one_item=0.0,
    item_id="i{}",
):
    """N ratings of users and items that are all alike, but for what a test changes."""
    random = np.random.default_rng(seed)
    user = random.integers(200, size=N)
    user[: int(N * share_of_one_user)] = 7
    item, star = random.integers(num_items, size=N), random.choice(stars, size=N)
    item[N - int(N * share_of_one_item) :] = 3
    return [
        f"u{u},{item_id.format(i)},{s},1600000000"
        for u, i, s in zip(user, item, star, strict=True)
    ]


@pytest.fixture
def statistics(tmp_path):
    """Writes a span and has it counted."""

    def counted(name, rows):
        span = tmp_path / "spans" / name
        span.mkdir(parents=True)
        lines = ["user_id,item_id,rating,timestamp", *rows]
        (span / "ratings.csv").write_text("\n".join(lines) + "\n")
        artifact = standard_artifacts.ExampleStatistics()
        artifact.uri = str(tmp_path / "statistics" / name)
        examples = standard_artifacts.Examples()
        examples.set_string_custom_property("newest_span", name)
        SpanStatistics.test_call(
            examples=examples,
            input_base=str(tmp_path / "spans"),
            settings=Settings().to_json(),
            code_version="1",
            statistics=artifact,
            beam_pipeline=beam.Pipeline(runner="DirectRunner"),
        )
        return artifact

    return counted


@pytest.fixture
def live(statistics, tmp_path):
    """A live folder, whose model learned from a span of evenly given stars."""
    made = statistics("1", ratings(seed=1))
    model = tmp_path / "model"
    write_card(str(model), msgspec.structs.replace(CARD, newest_span="1"))
    found = Path(made.uri, "Split-ratings", "FeatureStats.pb").read_bytes()
    (model / f.SPAN_STATISTICS_FILE).write_bytes(found)
    push.push(model, tmp_path / "live", keep=9)
    return str(tmp_path / "live")


def compared(statistics, live_folder, tmp_path, *, stops=True, min_ratings=1000):
    drift = Drift()
    drift.uri = str(tmp_path / "drift")
    DriftGate.test_call(
        statistics=statistics,
        live_folder=live_folder,
        schema_path=str(SPANS_SCHEMA),
        schema_fingerprint="",
        min_ratings=min_ratings,
        stops=stops,
        code_version="1",
        drift=drift,
    )
    return json.loads(Path(drift.uri, "drift.json").read_text())


def test_another_span_of_the_same_kind_is_no_drift(statistics, live, tmp_path):
    result = compared(statistics("2", ratings(seed=2)), live, tmp_path)
    assert (result["span"], result["live_span"]) == ("2", "1")
    measured = {each["feature"]: each for each in result["measured"]}
    assert set(measured) == {"user_id", "item_id", "rating", "number of ratings"}
    assert not any(each["is_drift"] for each in result["measured"])


def test_the_divergence_of_items_is_what_numpy_says(statistics, live, tmp_path):
    """Half of the ratings are of items that the live model's span does not have."""
    rows = ratings(seed=2)
    rows[: N // 2] = ratings(seed=3, item_id="new-{}")[: N // 2]
    result = compared(statistics("2", rows), live, tmp_path)

    def shares(rows):
        names = [f"{kind}{number}" for kind in ("i", "new-") for number in range(50)]
        return np.array([sum(f",{name}," in row for row in rows) for name in names]) / N

    one, other = shares(rows), shares(ratings(seed=1))
    middle = (one + other) / 2
    expected = sum(
        np.sum(p[p > 0] * np.log2(p[p > 0] / middle[p > 0])) / 2 for p in (one, other)
    )
    [found] = [
        m["value"]
        for m in result["measured"]
        if (m["feature"], m["distance"]) == ("item_id", "JENSEN_SHANNON_DIVERGENCE")
    ]
    assert found == pytest.approx(expected, abs=1e-4)
    assert 0.2 < found < 0.6  # far from none, and allowed


def test_the_largest_difference_of_a_share_is_what_numpy_says(
    statistics, live, tmp_path
):
    rows = ratings(seed=2, share_of_one_user=0.2)
    result = compared(statistics("2", rows), live, tmp_path)

    def shares(rows):
        users = [int(row.split(",")[0][1:]) for row in rows]
        return np.bincount(users, minlength=200) / len(rows)

    expected = np.abs(shares(rows) - shares(ratings(seed=1))).max()
    [found] = [m for m in result["measured"] if m["feature"] == "user_id"]
    assert found["value"] == pytest.approx(expected, abs=1e-6)
    assert found["distance"] == "L_INFTY"


@pytest.mark.parametrize(
    ("feature", "changed"),
    [
        ("rating", {"stars": (5,)}),
        ("user_id", {"share_of_one_user": 0.6}),
        ("item_id", {"num_items": 3}),
        ("item_id", {"share_of_one_item": 0.15}),
        ("item_id", {"item_id": "new-{}"}),
        ("item_id", {"item_id": "I{}"}),
        ("item_id", {"item_id": "i0{}"}),
    ],
)
def test_drift_stops_and_names_what_drifted(
    statistics, live, tmp_path, feature, changed
):
    other = statistics("2", ratings(seed=2, **changed))
    with pytest.raises(DriftError, match="not like those of span 1") as stopped:
        compared(other, live, tmp_path)
    assert {each.feature for each in stopped.value.measured} == {feature}
    result = compared(other, live, tmp_path, stops=False)
    assert {m["feature"] for m in result["measured"] if m["is_drift"]} == {feature}


@pytest.mark.parametrize(("times", "is_stopped"), [(9, False), (11, True)])
def test_a_span_of_many_more_ratings_is_drift(
    statistics, live, tmp_path, times, is_stopped
):
    """``schema/spans.pbtxt`` allows ten times as many."""
    rows = [row for seed in range(times) for row in ratings(seed=seed)]
    result = compared(statistics("2", rows), live, tmp_path, stops=False)
    drifted = [m for m in result["measured"] if m["is_drift"]]
    assert [m["feature"] for m in drifted] == ["number of ratings"] * is_stopped
    assert {m["value"] for m in drifted} <= {11.0}


def test_growth_from_a_small_span_is_measured(statistics, live, tmp_path):
    """Bots can outnumber the people of a site whose spans are too small to compare."""
    rows = ratings(seed=2)
    result = compared(statistics("2", rows), live, tmp_path, min_ratings=N + 1)
    assert result["measured"] == []
    rows += ratings(seed=3)
    result = compared(statistics("3", rows), live, tmp_path, min_ratings=N + 1)
    assert [(m["feature"], m["value"]) for m in result["measured"]] == [
        ("number of ratings", 2.0)
    ]
    assert "too few" in result["not_compared"]


def test_few_ratings_are_not_compared(statistics, live, tmp_path):
    few = statistics("2", ratings(seed=2, stars=(5,))[:50])
    result = compared(few, live, tmp_path)
    assert result["measured"] == []
    assert "50 ratings are too few" in result["not_compared"]


def test_without_a_live_model_of_spans_there_is_nothing_to_compare(
    statistics, tmp_path
):
    newest = statistics("2", ratings(seed=2))
    other = tmp_path / "other"
    result = compared(newest, str(other), tmp_path)
    assert result["not_compared"] == "nothing is live"
    write_card(str(tmp_path / "model"), CARD)
    push.push(tmp_path / "model", other, keep=9)
    result = compared(newest, str(other), tmp_path)
    assert "did not learn from spans" in result["not_compared"]


def test_the_live_model_s_changed_statistics_are_not_compared(
    statistics, live, tmp_path
):
    path = Path(live, "1", f.SPAN_STATISTICS_FILE)
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    result = compared(statistics("2", ratings(seed=2, stars=(5,))), live, tmp_path)
    assert result["measured"] == []
    assert f"{path} is not as it was pushed" in result["not_compared"]


def test_what_is_live_decides_whether_it_is_compared_again(live, tmp_path):
    """Part of the cache's key: the step runs again when another model went live."""

    def key(folder):
        result = SimpleNamespace(exec_properties={"live_folder": str(folder)})
        return Driver(None).run(result).exec_properties["live_model"].string_value

    assert key(tmp_path / "nowhere") == ""
    assert key(live) == f"{live}/1"
    push.push(Path(live, "1"), Path(live), keep=9)
    assert key(live) == f"{live}/2"

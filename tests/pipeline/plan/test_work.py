"""What steps have to do, against sizes computed by hand."""

import pytest

from pipeline.plan.work import Size, work_of

SIZE = Size(users=1000, items=200, ratings=50_000)
NO_LIMIT = float("inf")


@pytest.mark.parametrize(
    ("models", "tables"),
    [
        ({"gmf": {}}, 1200 * 8 * 4),
        ({"gmf": {"embedding_dim": 32}}, 1200 * 32 * 4),
        # Half of the first layer for each of user and item.
        ({"mlp": {"hidden_units": [20, 10]}}, 1200 * 11 * 4),
        ({"ease": {}}, 200 * 200 * 4),
        ({"item_knn": {"num_neighbours": 50}}, 200 * 50 * 8),
        (
            {
                "two_stage": {
                    "retrieval_settings": {"embedding_dim": 10},
                    "ranking_settings": {"embedding_dim": 20},
                }
            },
            1200 * 30 * 4,
        ),
    ],
)
def test_memory_is_that_of_the_ratings_and_the_tables(models, tables):
    [name] = models
    work = work_of(f"Trainer_{name}", SIZE, models, NO_LIMIT)
    assert work.memory == 50_000 * 16 + tables


@pytest.mark.parametrize(
    ("models", "time"),
    [
        ({"gmf": {"epochs": 7}}, 7 * 50_000),
        ({"gmf": {"epochs": 7, "refit": True}}, 14 * 50_000),
        ({"ease": {}}, 200**3),
        ({"item_knn": {}}, 50_000 * 50),  # 50 ratings per user
        ({"popularity": {}}, 50_000),
    ],
)
def test_time_of_a_training_grows_with_its_passes(models, time):
    [name] = models
    assert work_of(f"Trainer_{name}", SIZE, models, NO_LIMIT).time == time


def test_evaluators_score_every_pair_up_to_the_limit():
    models = {"gmf": {}}
    assert work_of("Evaluator_gmf", SIZE, models, NO_LIMIT).time == 200_000
    assert work_of("Evaluator_gmf", SIZE, models, 70_000).time == 70_000


def test_other_steps_read_the_ratings():
    assert work_of("Transform", SIZE, {"gmf": {}}, NO_LIMIT) == (50_000, 800_000)


def test_settings_of_another_release_are_an_error():
    with pytest.raises(ValueError, match="has no field 'gone'"):
        work_of("Trainer_gmf", SIZE, {"gmf": {"gone": 1}}, NO_LIMIT)

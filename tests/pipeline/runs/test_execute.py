"""What is checked before a run starts, and what may be imported for that."""

import subprocess
import sys

import pytest

from components.ratings_example_gen import recognise_ratings
from pipeline.config.context_section import ContextConfig
from pipeline.config.data_settings import data_settings
from pipeline.config.errors import ConfigError
from pipeline.config.sections import DataConfig, PipelineConfig
from pipeline.runs import execute

TIMED, TIMED_ROW = "user_id,item_id,rating,timestamp", "7,8,3,978300760\n"


@pytest.mark.parametrize(
    ("header", "columns", "is_refused"),
    [
        ("user_id,item_id,rating", {}, True),
        ("user_id,item_id,rating,timestamp", {}, False),
        ("user_id,item_id,rating,when", {}, True),
        ("user_id,item_id,rating,when", {"timestamp": "when"}, False),
    ],
)
def test_a_model_of_what_comes_next_needs_times(tmp_path, header, columns, is_refused):
    (tmp_path / "mine.csv").write_text(f"{header}\n" + "7,8,3,978300760\n" * 3)
    config = PipelineConfig(
        data=DataConfig(columns=columns), models={"mf_als": {}, "attrec": {}}
    )
    layout = recognise_ratings(tmp_path, data_settings(config))
    if is_refused:
        message = r"models.attrec: .*column of times.*--column timestamp.*--models mf_a"
        with pytest.raises(ConfigError, match=message):
            execute.usable_models(config, layout)
    else:
        assert execute.usable_models(config, layout) == config
    other = PipelineConfig(models={"mf_als": {}})
    assert execute.usable_models(other, layout) == other


def test_fields_of_times_need_times(tmp_path):
    config = PipelineConfig(
        context=ContextConfig(fields=["hour", "weekday"]), models={"fm": {}}
    )
    for header, row in (("user_id,item_id,rating", "7,8,3\n"), (TIMED, TIMED_ROW)):
        (tmp_path / "mine.csv").write_text(f"{header}\n" + row * 3)
        layout = recognise_ratings(tmp_path, data_settings(config))
        if header == TIMED:
            assert execute.usable_models(config, layout) == config
            continue
        message = r"context.fields: hour, weekday is read .*mine.csv has no column of t"
        with pytest.raises(ConfigError, match=message):
            execute.usable_models(config, layout)


def test_without_times_the_default_models_are_those_that_need_none(tmp_path, caplog):
    (tmp_path / "mine.csv").write_text("user_id,item_id,rating\n" + "7,8,3\n" * 3)
    layout = recognise_ratings(tmp_path, data_settings(PipelineConfig()))
    with caplog.at_level("INFO"):
        usable = execute.usable_models(PipelineConfig(), layout)
    assert usable == PipelineConfig(models={"popularity": {}, "mf_als": {}})
    assert "Left out: attrec, because" in caplog.text
    assert "mine.csv has no column of times" in caplog.text


def test_a_part_that_learns_the_order_needs_times_too(tmp_path):
    (tmp_path / "mine.csv").write_text("user_id,item_id,rating\n" + "7,8,3\n" * 3)
    config = PipelineConfig(models={"two_stage": {"ranking": "attrec"}})
    layout = recognise_ratings(tmp_path, data_settings(config))
    with pytest.raises(ConfigError, match=r"two_stage learns the order of ratings, an"):
        execute.usable_models(config, layout)


def test_reading_a_run_again_does_not_import_tfx():
    script = (
        "import sys, pipeline.runs.execute, pipeline.runs.finished_runs; "
        "assert not {'tfx', 'tensorflow', 'apache_beam'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

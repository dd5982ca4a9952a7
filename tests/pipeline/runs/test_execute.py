"""What is checked before a run starts, and what may be imported for that."""

import subprocess
import sys

import pytest

from components.ratings_example_gen import recognise_ratings
from pipeline.config.data_settings import data_settings
from pipeline.config.errors import ConfigError
from pipeline.config.sections import DataConfig, PipelineConfig
from pipeline.runs import execute


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
            execute.check_models(
                config, recognise_ratings(tmp_path, data_settings(config))
            )
    else:
        execute.check_models(config, recognise_ratings(tmp_path, data_settings(config)))
    layout = recognise_ratings(tmp_path, data_settings(config))
    execute.check_models(PipelineConfig(models={"mf_als": {}}), layout)


def test_reading_a_run_again_does_not_import_tfx():
    script = (
        "import sys, pipeline.runs.execute, pipeline.runs.finished_runs; "
        "assert not {'tfx', 'tensorflow', 'apache_beam'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

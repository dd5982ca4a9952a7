"""Beam's own parser and validator are the oracle: no flag is a guess."""

import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners import create_runner

from pipeline.beam.options import beam_args
from pipeline.config.sections import BeamConfig

DATAFLOW = BeamConfig(
    runner="experimental-dataflow",
    project="a-project",
    region="europe-west4",
    temp_location="gs://a-bucket/temp",
    parallelism=8,
    image="europe-docker.pkg.dev/a-project/marquee:1",
)


@pytest.fixture
def parsed():
    """A configuration as Beam reads it, after its validator found no fault."""

    def parse(config):
        # Outside a dry run, the validator queries Google for the bucket, for minutes.
        options = PipelineOptions([*beam_args(config), "--dry_run=yes"])
        name = options.view_as(StandardOptions).runner
        faults = PipelineOptionsValidator(options, create_runner(name)).validate()
        assert faults == []
        return options

    return parse


@pytest.mark.parametrize(
    "config",
    [BeamConfig(), BeamConfig(runner="experimental-spark"), BeamConfig(runner="flink")],
)
def test_tfx_packs_no_sources_of_its_own(config):
    """It does where none of these is set (tfx/utils/dependency_utils.py), each step."""
    from tfx.utils import dependency_utils

    args = beam_args(config)
    assert dependency_utils.make_beam_dependency_flags(args) == args


@pytest.mark.parametrize(
    ("config", "runner"),
    [
        (BeamConfig(), "DirectRunner"),
        (BeamConfig(runner="flink"), "PortableRunner"),
        (BeamConfig(runner="experimental-spark"), "PortableRunner"),
        (DATAFLOW, "DataflowRunner"),
    ],
    ids=["direct", "flink", "spark", "dataflow"],
)
def test_beam_knows_the_runner_and_every_pickle_is_cloudpickle(config, runner, parsed):
    options = parsed(config)
    assert options.view_as(StandardOptions).runner == runner
    assert options.view_as(SetupOptions).pickle_library == "cloudpickle"


def test_flink_finds_its_workers_by_name(parsed):
    config = BeamConfig(runner="flink", endpoint="jobs:8099", workers="pool:50000")
    options = parsed(config).view_as(PortableOptions)
    assert options.job_endpoint == "jobs:8099"
    assert (options.environment_type, options.environment_config) == (
        "EXTERNAL",
        "pool:50000",
    )
    assert "--parallelism=2" in beam_args(config)


def test_workers_of_flink_are_threads_here_or_containers(parsed):
    here = parsed(BeamConfig(runner="flink")).view_as(PortableOptions)
    assert here.environment_type == "LOOPBACK"
    image = "registry/marquee:1"
    there = parsed(BeamConfig(runner="experimental-spark", image=image)).view_as(
        PortableOptions
    )
    assert (there.environment_type, there.environment_config) == ("DOCKER", image)


def test_workers_of_dataflow_have_the_code_in_an_image(parsed):
    options = parsed(DATAFLOW)
    cloud = options.view_as(GoogleCloudOptions)
    assert (cloud.project, cloud.region) == ("a-project", "europe-west4")
    assert cloud.temp_location == "gs://a-bucket/temp"
    workers = options.view_as(WorkerOptions)
    assert workers.max_num_workers == 8
    assert workers.sdk_container_image == DATAFLOW.image
    # pip on a worker would refuse TFX's metadata, so nothing is installed there.
    setup = options.view_as(SetupOptions)
    assert (setup.setup_file, setup.requirements_file) == (None, None)


def test_flags_of_ones_own_come_last(parsed):
    config = BeamConfig(
        args=["--experiments=a", "--pickle_library=dill", "--experiments=b"]
    )
    options = PipelineOptions(beam_args(config))
    assert options.view_as(SetupOptions).pickle_library == "dill"
    assert options.view_as(DebugOptions).experiments == ["a", "b"]

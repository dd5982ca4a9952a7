"""What a person chose under ``beam``, as Beam's own flags."""

from pipeline.config.sections import BeamConfig

# TFX packs its own sources for the workers before each Beam step, which takes 2 to 20
# seconds, unless this option is set. Only Dataflow's runner reads it.
_HAVE_THE_CODE = "--sdk_container_image=unused"


def beam_args(config: BeamConfig) -> list[str]:
    """Returns the flags of one step's Beam pipeline.

    ``config.args`` come last: of a flag given twice, Beam takes the last.
    """
    args = {
        "direct": _direct,
        "flink": _flink,
        "experimental-spark": _portable,
        "experimental-dataflow": _dataflow,
    }[config.runner](config)
    # dill, the default, resets the levels of all loggers with each function it pickles:
    # a quarter of the seconds of a run on MovieLens 100K.
    return [*args, "--pickle_library=cloudpickle", *config.args]


def process_flags(processes: int) -> list[str]:
    """Returns the flags of a pipeline on this machine in a number of processes."""
    if processes == 1:
        return []
    return [
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={processes}",
    ]


def _direct(config: BeamConfig) -> list[str]:
    del config
    return ["--runner=DirectRunner", _HAVE_THE_CODE]


def _flink(config: BeamConfig) -> list[str]:
    return [
        *_portable(config),
        f"--parallelism={config.parallelism}",
        # Workers outlive the stages of a job.
        "--environment_cache_millis=60000",
    ]


def _portable(config: BeamConfig) -> list[str]:
    args = ["--runner=PortableRunner", f"--job_endpoint={config.endpoint}"]
    if config.image:
        return [
            *args,
            "--environment_type=DOCKER",
            f"--environment_config={config.image}",
            f"--sdk_container_image={config.image}",
        ]
    if config.workers == "loopback":
        return [*args, "--environment_type=LOOPBACK", _HAVE_THE_CODE]
    return [
        *args,
        "--environment_type=EXTERNAL",
        f"--environment_config={config.workers}",
        _HAVE_THE_CODE,
    ]


def _dataflow(config: BeamConfig) -> list[str]:
    return [
        "--runner=DataflowRunner",
        f"--project={config.project}",
        f"--region={config.region}",
        f"--temp_location={config.temp_location}",
        f"--max_num_workers={config.parallelism}",
        f"--sdk_container_image={config.image}",
    ]

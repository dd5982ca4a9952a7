"""RatingsExampleGen: rating logs in, one Example per user and split out."""

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2, range_config_pb2

from components.ratings_example_gen.driver import RatingsDriver
from components.ratings_example_gen.execution_input import packed
from components.ratings_example_gen.executor import Executor
from components.ratings_example_gen.settings import Settings
from trainer_modules.features import SPLITS


class RatingsExampleGen(FileBasedExampleGen):
    """Reads MovieLens's layouts and a person's own files (see ``recognise``).

    Outputs ``examples`` with the splits train, eval and test. The artifact's folder
    also contains ``counts.json`` and, if bad rows were allowed and found,
    ``quarantine.jsonl``.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = RatingsDriver

    def __init__(
        self,
        input_base: str,
        settings: Settings | None = None,
        pattern: str = "*",
        range_config: range_config_pb2.RangeConfig | None = None,
    ):
        """Makes the component.

        Args:
            input_base: Folder of the dataset.
            settings: How the files are read and split.
            pattern: Glob of the files under it. It may contain ``{SPAN}`` and
                ``{VERSION}``; the newest is used.
            range_config: Selects a given span instead of the newest.
        """
        split = example_gen_pb2.Input.Split(name="ratings", pattern=pattern)
        # TFX requires the hash buckets; the executor makes the splits itself.
        output_splits = [
            example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1)
            for name in SPLITS
        ]
        super().__init__(
            input_base=input_base,
            input_config=example_gen_pb2.Input(splits=[split]),
            output_config=example_gen_pb2.Output(
                split_config=example_gen_pb2.SplitConfig(splits=output_splits)
            ),
            custom_config=packed(settings or Settings()),
            range_config=range_config,
        )

"""Multiplies the users of a run under new IDs, for ``make bench-batch``."""

from pathlib import Path

import click
import tensorflow as tf

from components.artifact_place import split_folder
from components.ratings_example_gen.write import tfrecords
from trainer_modules import features as f


@click.command()
@click.argument("examples", type=click.Path(path_type=Path))
@click.argument("times", type=int)
def main(examples: Path, times: int) -> None:
    """Multiply the users in EXAMPLES, which RatingsExampleGen wrote, by TIMES."""
    for split in f.SPLITS:
        shards = sorted(Path(split_folder(str(examples), split)).iterdir())
        for number, shard in enumerate(shards):
            records = list(tf.data.TFRecordDataset(str(shard), "GZIP"))
            for copy in range(1, times):
                name = tfrecords.file_name(
                    number + copy * len(shards), times * len(shards)
                )
                renamed = (_renamed(record.numpy(), copy) for record in records)
                tfrecords.write(str(shard.with_name(name)), renamed)


def _renamed(record: bytes, copy: int) -> bytes:
    example = tf.train.Example.FromString(record)
    names = example.features.feature[f.USER_ID].bytes_list.value
    names[0] += f"-{copy}".encode()
    serialized: bytes = example.SerializeToString()
    return serialized


if __name__ == "__main__":
    main()

"""Input files on other filesystems than the machine's."""

import subprocess
import sys

READ = """
from components.ratings_example_gen import files

files.exists("hdfs://ratings/ratings.csv")
"""


def test_beam_s_filesystems_have_options_before_a_pipeline_was_made():
    """Without, those of S3 and HDFS cannot be made: HDFS's asks for its host next."""
    done = subprocess.run(
        [sys.executable, "-c", READ], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "ValueError: hdfs_host is not set"

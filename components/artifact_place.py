"""Where artifacts and their splits are, independently of the root folder."""

# Custom properties in which Champion records the places of Model artifacts: ORIGIN, on
# its copy, of the chosen model; LIVE_ORIGIN, on its decision, of the model that was
# live. An empty string means none.
ORIGIN = "origin"
LIVE_ORIGIN = "live_origin"


def place_of(uri: str) -> str:
    """Returns an artifact's path below the root of all artifacts.

    TFX writes an artifact to ``<root>/<step>/<output>/<execution>``. The last three
    parts identify it within its metadata store; the root changes when a folder of runs
    is moved.
    """
    return "/".join(uri.rstrip("/").split("/")[-3:])


def split_folder(uri: str, split: str) -> str:
    """Returns the folder of a split within an artifact, where TFX expects it."""
    return f"{uri}/Split-{split}"

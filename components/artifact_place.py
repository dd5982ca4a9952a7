"""What an artifact is called, wherever its folder is moved to."""

# Custom properties in which Champion records places of Model artifacts: on its copy of
# the chosen model, and on its decision the model that was live. "" stands for none.
ORIGIN = "origin"
LIVE_ORIGIN = "live_origin"


def place_of(uri: str) -> str:
    """Returns an artifact's path below the root of all artifacts.

    TFX puts an artifact at ``<root>/<step>/<output>/<execution>``. The last three parts
    name it within its metadata store; the root changes when a folder of runs is moved.
    """
    return "/".join(uri.rstrip("/").split("/")[-3:])

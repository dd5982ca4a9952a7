"""How Beam runs on this machine, for all that does."""

BEAM_ARGS = [
    "--runner=DirectRunner",
    # The runner in this process ignores it; without it, TFX packs its own sources
    # before every Beam step, which took 2 to 8 seconds each.
    "--sdk_container_image=unused",
    # dill, the default, resets the levels of all loggers with each function it pickles:
    # a quarter of the seconds of a run on MovieLens 100K.
    "--pickle_library=cloudpickle",
]

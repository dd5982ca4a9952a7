"""The stages of the pipeline: each function builds the TFX components of one stage.

``prepare`` has the stages from the ratings to transformed examples, ``train_and_push``
those from there to the live model, both in data-flow order. Nothing runs here, and
nothing of the data is read.
"""

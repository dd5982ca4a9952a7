"""Every model, a row each. Imports no TensorFlow: the command line reads this too."""

import dataclasses
from typing import Any

from trainer_modules import configs


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """One model.

    Attributes:
      name: the key in configurations, the file in ``models/`` and the test's name.
      class_name: the class in that file.
      config_class: its settings, with the paper's defaults.
      task: ``retrieval`` (learns from drawn negatives) or ``closed_form`` (is solved).
      summary: what it computes, in a line.
      paper: where it comes from.
    """

    name: str
    class_name: str
    config_class: type[Any]
    task: str
    summary: str
    paper: str


POPULARITY = "popularity"  # the floor that every other model has to beat

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name=POPULARITY,
            class_name="Popularity",
            config_class=configs.PopularityConfig,
            task="closed_form",
            summary="the most liked items, the same for everybody",
            paper="Cremonesi, Koren, Turrin 2010, section 3.1 (TopPop)",
        ),
        ModelSpec(
            name="mf_als",
            class_name="MFALS",
            config_class=configs.MFALSConfig,
            task="closed_form",
            summary="matrix factorisation of implicit feedback by least squares",
            paper="Hu, Koren, Volinsky 2008; Rendle, Krichene, Zhang, Koren 2022",
        ),
        ModelSpec(
            name="neumf",
            class_name="NeuMF",
            config_class=configs.NeuMFConfig,
            task="retrieval",
            summary="a generalised product and a tower over user and item, joined",
            paper="He, Liao, Zhang, Nie, Hu, Chua 2017",
        ),
    )
}

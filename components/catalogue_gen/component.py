"""CatalogueGen: makes the items and their features a versioned artifact."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.catalogue_gen.artifacts import Catalogue
from components.catalogue_gen.driver import Driver
from components.catalogue_gen.executor import Executor
from components.ratings_example_gen import Settings


class CatalogueGenSpec(component_spec.ComponentSpec):
    """The parameters, inputs and outputs of CatalogueGen."""

    PARAMETERS = {
        "ratings": component_spec.ExecutionParameter(type=str),
        "settings": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {"catalogue": component_spec.ChannelParameter(type=Catalogue)}


class CatalogueGen(base_component.BaseComponent):
    """Joins the file of items with the rated items.

    Output ``catalogue``: see ``artifacts.Catalogue``.
    """

    SPEC_CLASS = CatalogueGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        examples: types.BaseChannel,
        ratings: str,
        settings: Settings | None = None,
        code_version: str = "",
    ):
        """Makes the component.

        Args:
            examples: Output of RatingsExampleGen.
            ratings: Folder or file of the ratings.
            settings: Settings of RatingsExampleGen, which name the file of items and
                its columns.
            code_version: Hash of the sources, so that edited code is detected.
        """
        spec = CatalogueGenSpec(
            examples=examples,
            ratings=ratings,
            settings=(settings or Settings()).to_json(),
            code_version=code_version,
            catalogue=types.Channel(type=Catalogue),
        )
        super().__init__(spec=spec)

"""CatalogueGen: the items and their features, as a versioned artifact."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.catalogue_gen.artifacts import Catalogue
from components.catalogue_gen.driver import Driver
from components.catalogue_gen.executor import Executor


class CatalogueGenSpec(component_spec.ComponentSpec):
    """What CatalogueGen takes and makes."""

    PARAMETERS = {
        "ratings": component_spec.ExecutionParameter(type=str),
        "items": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {"catalogue": component_spec.ChannelParameter(type=Catalogue)}


class CatalogueGen(base_component.BaseComponent):
    """Joins the items file with the items that were rated.

    Output ``catalogue``: see ``artifacts.Catalogue``.
    """

    SPEC_CLASS = CatalogueGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        examples: types.BaseChannel,
        ratings: str,
        items: str = "",
        code_version: str = "",
    ):
        """Makes the component.

        Args:
            examples: Of RatingsExampleGen.
            ratings: Folder or file of the ratings.
            items: Items file, or a MovieLens folder or archive; empty looks beside the
                ratings.
            code_version: Hash of the sources, so that edited code is noticed.
        """
        spec = CatalogueGenSpec(
            examples=examples,
            ratings=ratings,
            items=items,
            code_version=code_version,
            catalogue=types.Channel(type=Catalogue),
        )
        super().__init__(spec=spec)

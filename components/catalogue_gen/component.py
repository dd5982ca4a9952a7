"""CatalogueGen: the items and their features, as a versioned artifact."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.catalogue_gen.artifacts import Catalogue
from components.catalogue_gen.executor import Executor


class CatalogueGenSpec(component_spec.ComponentSpec):
    """What CatalogueGen takes and makes."""

    PARAMETERS = {
        "items": component_spec.ExecutionParameter(type=str),
        "items_fingerprint": component_spec.ExecutionParameter(type=str),
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

    def __init__(
        self,
        examples: types.BaseChannel,
        items: str = "",
        items_fingerprint: str = "",
        code_version: str = "",
    ):
        """Makes the component.

        Args:
            examples: Of RatingsExampleGen.
            items: Items file, or a MovieLens folder or archive; empty for none.
            items_fingerprint: Of ``reader.items_fingerprint(items)``, so that an
                edited file is noticed.
            code_version: Hash of the sources, so that edited code is noticed.
        """
        spec = CatalogueGenSpec(
            examples=examples,
            items=items,
            items_fingerprint=items_fingerprint,
            code_version=code_version,
            catalogue=types.Channel(type=Catalogue),
        )
        super().__init__(spec=spec)

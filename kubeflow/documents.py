"""YAML documents, as Kubernetes and Kubeflow Pipelines read them."""

from typing import Any

import yaml

Document = dict[str, Any]  # a document, or a mapping in it


def dumped(*documents: Document) -> str:
    """Returns the text of a file with these documents, without wrapped lines."""
    return yaml.safe_dump_all(documents, sort_keys=False, width=2**20)

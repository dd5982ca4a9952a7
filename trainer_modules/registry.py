"""Every model, one entry each; imports no TensorFlow, for the command line's sake."""

import dataclasses
import importlib
from typing import Any

from trainer_modules.configs import (
    closed_form,
    factorization,
    fields,
    sequence,
    two_stage,
)
from trainer_modules.configs.parse import parse


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A model's entry.

    Attributes:
        name: Key in configurations, and base name of the files of the model and its
            test.
        class_name: Name of the class in the model's file.
        config_class: Dataclass of its settings, with the paper's defaults.
        task: What it learns from unless its settings say otherwise
            (``GradientConfig``), ``closed_form`` for a model that is solved, or
            ``two_stage`` for one that consists of two others.
        summary: What it computes, in one line.
        paper: The authors and year of the paper.
        lists_new_items: Whether its lists contain items without a row of their own,
            which it scores by their side features (docs/adr/0053).
        reads_fields: Whether it reads side features and the fields of times.
    """

    name: str
    class_name: str
    config_class: type[Any]
    task: str
    summary: str
    paper: str
    lists_new_items: bool = False
    reads_fields: bool = False

    @property
    def is_fitted(self) -> bool:
        """Whether the model as a whole is trained by gradient descent."""
        return self.task not in ("closed_form", "two_stage")

    def load_class(self) -> type[Any]:
        """Imports the model's file, and TensorFlow with it, and returns its class."""
        module = importlib.import_module(f"trainer_modules.models.{self.name}")
        model_class: type[Any] = getattr(module, self.class_name)
        return model_class


POPULARITY = "popularity"  # the model that every other one has to beat

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name=POPULARITY,
            class_name="Popularity",
            config_class=closed_form.PopularityConfig,
            task="closed_form",
            summary="the most liked items, the same for every user",
            paper="Cremonesi, Koren, Turrin 2010, section 3.1 (TopPop)",
        ),
        ModelSpec(
            name="mf_als",
            class_name="MFALS",
            config_class=closed_form.MFALSConfig,
            task="closed_form",
            summary="matrix factorisation of implicit feedback by least squares",
            paper="Hu, Koren, Volinsky 2008; Rendle, Krichene, Zhang, Koren 2022",
        ),
        ModelSpec(
            name="item_knn",
            class_name="ItemKNN",
            config_class=closed_form.ItemKNNConfig,
            task="closed_form",
            summary="the similarity to an item's neighbours that the user liked",
            paper="Sarwar, Karypis, Konstan, Riedl 2001",
        ),
        ModelSpec(
            name="ease",
            class_name="EASE",
            config_class=closed_form.EASEConfig,
            task="closed_form",
            summary="a linear weight between every two items, solved at once",
            paper="Steck 2019",
        ),
        ModelSpec(
            name="gmf",
            class_name="GMF",
            config_class=factorization.GMFConfig,
            task="retrieval",
            summary="a product of user and item with learned weights",
            paper="He, Liao, Zhang, Nie, Hu, Chua 2017",
        ),
        ModelSpec(
            name="mlp",
            class_name="MLP",
            config_class=factorization.MLPConfig,
            task="retrieval",
            summary="a tower over user and item",
            paper="He, Liao, Zhang, Nie, Hu, Chua 2017",
        ),
        ModelSpec(
            name="mf_sgd",
            class_name="MFSGD",
            config_class=factorization.MFSGDConfig,
            task="rating",
            summary="mean, biases and a product of factors, by stochastic gradients",
            paper="Koren, Bell, Volinsky 2009; Rendle, Krichene, Zhang, Anderson 2020",
        ),
        ModelSpec(
            name="neumf",
            class_name="NeuMF",
            config_class=factorization.NeuMFConfig,
            task="retrieval",
            summary="a generalised product and a tower over user and item, joined",
            paper="He, Liao, Zhang, Nie, Hu, Chua 2017",
        ),
        ModelSpec(
            name="ncf",
            class_name="NCF",
            config_class=factorization.NCFConfig,
            task="retrieval",
            summary="neumf with a sigmoid on the product: a positive against a list",
            paper="He, Liao, Zhang, Nie, Hu, Chua 2017, in RecLearn's form",
        ),
        ModelSpec(
            name="warp_mf",
            class_name="WARPMF",
            config_class=factorization.WARPMFConfig,
            task="retrieval",
            summary="a product over ids and side features, learned by a ranking loss",
            paper="Weston, Bengio, Usunier 2011; Kula 2015 (LightFM)",
            reads_fields=True,
        ),
        ModelSpec(
            name="light_gcn",
            class_name="LightGCN",
            config_class=factorization.LightGCNConfig,
            task="retrieval",
            summary="a product of vectors that are smoothed along the graph of likes",
            paper="He, Deng, Wang, Li, Zhang, Wang 2020",
        ),
        ModelSpec(
            name="two_tower",
            class_name="TwoTower",
            config_class=factorization.TwoTowerConfig,
            task="in_batch",
            summary="a product of two towers over ids and side features",
            paper="Yi et al. 2019; Volkovs, Yu, Poutanen 2017 (DropoutNet)",
            lists_new_items=True,
            reads_fields=True,
        ),
        ModelSpec(
            name="fm",
            class_name="FM",
            config_class=fields.FMConfig,
            task="rating",
            summary="a weight for each field and a product for each pair of fields",
            paper="Rendle 2010",
            reads_fields=True,
        ),
        ModelSpec(
            name="deepfm",
            class_name="DeepFM",
            config_class=fields.DeepFMConfig,
            task="rating",
            summary="a factorisation machine and a deep network, sharing embeddings",
            paper="Guo, Tang, Ye, Li, He 2017",
            reads_fields=True,
        ),
        ModelSpec(
            name="afm",
            class_name="AFM",
            config_class=fields.AFMConfig,
            task="rating",
            summary="a factorisation machine that attends to the pairs that matter",
            paper="Xiao, Ye, He, Zhang, Wu, Chua 2017",
            reads_fields=True,
        ),
        ModelSpec(
            name="autoint",
            class_name="AutoInt",
            config_class=fields.AutoIntConfig,
            task="rating",
            summary="fields that attend to each other, beside a deep network",
            paper="Song, Shi, Xiao, Duan, Xu, Zhang, Tang 2019",
            reads_fields=True,
        ),
        ModelSpec(
            name="dcn",
            class_name="DCN",
            config_class=fields.DCNConfig,
            task="rating",
            summary="crosses of all fields beside a deep network",
            paper="Wang, Fu, Fu, Wang 2017; Wang, Shivanna et al. 2021",
            reads_fields=True,
        ),
        ModelSpec(
            name="ipnn",
            class_name="IPNN",
            config_class=fields.IPNNConfig,
            task="rating",
            summary="a deep network over the fields and their inner products",
            paper="Qu, Cai, Ren, Zhang, Yu, Wen, Wang 2016",
            reads_fields=True,
        ),
        ModelSpec(
            name="opnn",
            class_name="OPNN",
            config_class=fields.OPNNConfig,
            task="rating",
            summary="a deep network over the fields and their outer products",
            paper="Qu, Cai, Ren, Zhang, Yu, Wen, Wang 2016",
            reads_fields=True,
        ),
        ModelSpec(
            name="wide_deep",
            class_name="WideDeep",
            config_class=fields.WideDeepConfig,
            task="rating",
            summary="a linear and a deep part, each with an optimizer of its own",
            paper="Cheng et al. 2016",
            reads_fields=True,
        ),
        ModelSpec(
            name="xdeepfm",
            class_name="XDeepFM",
            config_class=fields.XDeepFMConfig,
            task="rating",
            summary="interactions of vectors, layer by layer, beside a deep network",
            paper="Lian, Zhou, Zhang, Chen, Xie, Sun 2018",
            reads_fields=True,
        ),
        ModelSpec(
            name="attrec",
            class_name="AttRec",
            config_class=sequence.AttRecConfig,
            task="next_item",
            summary="self-attention over the last items beside a user's factors",
            paper="Zhang, Tay, Yao, Sun 2018",
        ),
        ModelSpec(
            name="sasrec",
            class_name="SASRec",
            config_class=sequence.SASRecConfig,
            task="sequence",
            summary="a Transformer over the last items",
            paper="Kang, McAuley 2018; Klenitskiy, Vasilev 2023",
        ),
        ModelSpec(
            name="gru4rec",
            class_name="GRU4Rec",
            config_class=sequence.GRU4RecConfig,
            task="sequence",
            summary="a recurrent network over the last items",
            paper="Hidasi, Karatzoglou, Baltrunas, Tikk 2016; Hidasi, Karatzoglou 2018",
        ),
        ModelSpec(
            name="hstu",
            class_name="HSTU",
            config_class=sequence.HSTUConfig,
            task="sequence",
            summary="gated attention without a softmax over the last items and times",
            paper="Zhai et al. 2024",
        ),
        ModelSpec(
            name="two_stage",
            class_name="TwoStage",
            config_class=two_stage.TwoStageConfig,
            task="two_stage",
            summary="one model retrieves candidates, and another one orders them",
            paper="Covington, Adams, Sargin 2016",
            reads_fields=True,
        ),
    )
}


def parts_of(config: Any) -> dict[str, tuple[ModelSpec, Any]]:
    """Returns the models that a model consists of, with their settings, by their role.

    Args:
        config: The settings of the model; only those of ``two_stage`` have parts.

    Raises:
        ValueError: If a part does not exist or has parts itself, or if its settings are
            invalid.
    """
    if not isinstance(config, two_stage.TwoStageConfig):
        return {}
    parts = {
        "retrieval": (config.retrieval, config.retrieval_settings),
        "ranking": (config.ranking, config.ranking_settings),
    }
    found = {}
    for role, (name, settings) in parts.items():
        if name not in MODELS or MODELS[name].task == "two_stage":
            others = [n for n, spec in MODELS.items() if spec.task != "two_stage"]
            raise ValueError(
                f"{role} is {name!r}, which is not a model that can be a part; choose "
                f"from {', '.join(others)}"
            )
        try:
            found[role] = MODELS[name], parse(MODELS[name].config_class, settings)
        except ValueError as error:
            raise ValueError(f"{role}_settings: {error}") from error
    return found

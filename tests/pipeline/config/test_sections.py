import json
import re
from pathlib import Path

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import example, given

from components.metric_names import GATED_LABEL_METRICS, GATED_RANKING_METRICS
from components.ratings_example_gen.dialect import NULL_VALUES
from pipeline.config.data_settings import dialect_of
from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config, select_models
from pipeline.config.sections import PipelineConfig

DEFAULT_YAML = Path(__file__).parents[3] / "configs" / "default.yaml"


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


def error_of(path=None, overrides=(), flags=None):
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides, flags)
    return caught.value


OWN = "data:\n  source: mine.csv\n"


def test_an_empty_file_and_empty_sections_are_the_defaults(write):
    assert load_config(write("")) == PipelineConfig()
    assert load_config(write("# nothing\nsplit:\ngate:\n")) == PipelineConfig()


def test_a_file_changes_what_it_names_and_nothing_else(write):
    config = load_config(
        write(
            "data: {source: ratings.csv, columns: {user_id: member, item_id: 0}}\n"
            "split:\n  kind: temporal\n  test_fraction: 0.2\n"
            'label: {threshold: ">= 3.5"}\n'
            "models:\n  neumf: {embedding_dim: 16, hidden_units: [32, 8],"
            " learning_rate: 1e-3}\n"
        )
    )
    assert config.data.source == "ratings.csv"
    assert config.data.columns == {"user_id": "member", "item_id": "0"}
    assert (config.split.kind, config.split.test_fraction) == ("temporal", 0.2)
    assert config.split.eval_fraction == 0.1
    assert config.label.threshold == ">= 3.5"
    assert config.models["neumf"] == {
        "embedding_dim": 16,
        "hidden_units": [32, 8],
        "learning_rate": 0.001,
    }
    assert config.gate == PipelineConfig().gate


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("data:\n  source: a\nspilt:\n  kind: random\n", 3, "spilt", "mean 'split'"),
        ("split:\n\n  # why\n  kynd: random\n", 4, "split.kynd", "mean 'kind'"),
        ("threshold: all\n", 1, "threshold", "mean label.threshold"),
        ("split:\n  kind: tempral\n", 2, "split.kind", "mean 'temporal'"),
        ("context:\n  fields: [minute]\n", 2, "context.fields", "hour or weekday"),
        ("split:\n  kind: 3\n", 2, "split.kind", "expected one of leave_last_out"),
        ("split: random\n", 1, "split", "expected the keys kind, eval_fraction"),
        ("train:\n  seed: one\n", 2, "train.seed", "a whole number from 0"),
        ("train:\n  seed: 1.5\n", 2, "train.seed", "got 1.5"),
        ("train:\n  seed: true\n", 2, "train.seed", "got True"),
        ("train:\n  require_gpu: 1\n", 2, "train.require_gpu", "true or false"),
        ("data:\n  max_history: 0\n", 2, "data.max_history", "at least 3"),
        ("data:\n  timestamp_unit: sec\n", 2, "data.timestamp_unit", "s, ms, us"),
        ("data:\n  header: 1\n", 2, "data.header", "true or false"),
        ("data:\n  null_values: [1]\n", 2, "data.null_values", "a list, each text"),
        ("data:\n  null_values: a\n", 2, "data.null_values", "null, or a list, each"),
        ("data:\n  repeats: last\n", 2, "data.repeats", "mean 'latest'"),
        ("data:\n  source: [a]\n", 2, "data.source", "expected text"),
        ("data:\n  source: 5\n", 2, "data.source", "expected text"),
        ("data:\n  columns:\n    usr: 0\n", 3, "data.columns.usr", "mean 'user_id'"),
        ("data:\n  item_columns: {itemid: 0}\n", 2, None, "mean 'item_id'"),
        ("data:\n  user_columns: {user: x}\n", 2, None, "mean 'user_id'"),
        ("label:\n  threshold: '=> 3'\n", 2, "label.threshold", "'>= x'"),
        ("label:\n  threshold: 3\n", 2, "label.threshold", "'> x'"),
        ("label:\n  negative: '> 3'\n", 2, "label.negative", "'<= x'"),
        ("label:\n  negative: all\n", 2, "label.negative", "'< x'"),
        ("vocabulary:\n  leave_out: [1]\n", 2, "vocabulary.leave_out", "text"),
        ("vocabulary:\n  leave_out: a\n", 2, "vocabulary.leave_out", "a list, each"),
        ("gate:\n  slices: activity\n", 2, "gate.slices", "a list, each 'activity'"),
        ("models:\n  fm:\n    loss: brp\n", 3, "models.fm.loss", "mean 'bpr'"),
        ("models:\n  fm:\n    task: 1\n", 3, "models.fm.task", "rating, retrieval"),
        ("gate:\n  metric: ndgc@10\n", 2, "gate.metric", "mean 'ndcg@10'"),
        ("gate:\n  metric: rmse\n", 2, "gate.metric", "cannot gate"),
        ("gate:\n  min_users: 0\n", 2, "gate.min_users", "at least 1"),
        ("gate:\n  resamples: 1000\n", 2, "gate.resamples", "gate has no 'resamples'"),
        ("gate:\n  floors:\n    aucc: 1\n", 3, "gate.floors.aucc", "mean 'auc'"),
        ("gate:\n  floors:\n    auc: 50\n", 3, "gate.floors.auc", "from 0 to 1"),
        ("gate:\n  floors:\n    auc: .nan\n", 3, "gate.floors.auc", "got nan"),
        ("models:\n  neumff: {}\n", 2, "models.neumff", "mean 'neumf'"),
        (
            "models:\n  neumf:\n    embeding_dim: 8\n",
            3,
            "models.neumf.embeding_dim",
            "mean 'embedding_dim'",
        ),
        (
            "models:\n  neumf:\n    hidden_units: [8, x]\n",
            3,
            "models.neumf.hidden_units",
            "a list of at least 2, each a whole number",
        ),
        ("models:\n  neumf:\n    epochs: -1\n", 3, "models.neumf.epochs", "at least 1"),
        ("models:\n  popularity:\n    a: 1\n", 3, "models.popularity.a", "no settings"),
        ("out: a\nsplit: {}\nout: b\n", 3, "out", "given twice, first in line 1"),
        ("? [a]\n: 1\n", 1, None, "a key must be a plain name"),
    ],
)
def test_an_error_names_file_line_key_and_what_to_write(
    write, text, line, key, message
):
    path = write(text)
    error = error_of(path)
    assert (error.file, error.line) == (path, line)
    assert key is None or error.key == key
    assert message in error.message
    assert str(error).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("label:\n  threshold: > 3\n", 2, "needs quotes"),
        ("data: {source: a\nout: b\n", 2, "not YAML"),
        ("- a\n- b\n", None, "expected the keys data, split"),
        ("data: &a {}\nsplit: *a\n", 2, "aliases are not supported"),
        ("train:\n  seed: !!int 0\n", 2, "tags and aliases"),
        ("train:\n  seed: 0b_\n", 2, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        (b"out: \xff\xfe\xff\n", None, "not YAML"),
        (b"out: \x00\n", None, "not YAML"),
        ("out: " + "[" * 3000 + "]" * 3000, 1, "nested too deeply"),
        ("data: {source: " + "{a: " * 3000 + "}" * 3000 + "}", 1, "nested too deeply"),
        # A billion laughs: aliases are not followed at all.
        ("a: &a [x]\nb: &b [*a, *a]\nout: [*b, *b]\n", 2, "aliases"),
        (f"train:\n  seed: {'9' * 5000}\n", 2, ""),
    ],
)
def test_what_is_no_configuration_at_all_is_refused(write, text, line, message):
    error = error_of(write(text))
    assert error.line == line
    assert message in error.message
    assert "\n" not in str(error)


SECRETS = {
    "beam: {args: ['--s3_secret_access_key=hunter2']}": "AWS_SECRET_ACCESS_KEY",
    "beam: {args: ['--s3_access_key_id hunter2']}": "AWS_ACCESS_KEY_ID",
    "beam: {args: ['--x=1', '--my-password=hunter2']}": "my-password is a secret",
    "beam: {args: ['--azure_connection_string=AccountKey=hunter2;x']}": "AZURE_STORAGE",
    "beam: {args: ['--header=Authorization hunter2']}": "is a secret",
    "beam: {args: ['--a=Bearer hunter2']}": "it contains a secret",
    "beam: {args: [--token=hunter2]}": "token is a secret",
    "beam: {args: '--token=hunter2'}": "token is a secret",  # no list
    "beam: {endpoint: 'user:hunter2@host:80', args: ['--password=hunter2']}": "secret",
    "beam: {temp_location: 'https://me:hunter2@host/x'}": "it contains a secret",
    "beam: {temp_location: 'https://host/x?sig=hunter2'}": "sig is a secret",
    "data: {source: 'ftp://me:hunter2@host/ratings.csv'}": "it contains a secret",
    "data: {items: 'mariadb://me:hunt/er2@host/x#y'}": "MARQUEE_SOURCE_PASSWORD",
    "data: {source: 'postgresql://me:hunter2@host/x#y'}": "MARQUEE_SOURCE_PASSWORD",
    "tuner: {storage: 'mysql://me:hunter2@host/x'}": "set MARQUEE_STUDIES_USER and MAR",
    "tuner: {storage: 'mysql://me:/hunter2@host@host/x'}": "it contains a secret",
    "tuner: {storage: 'postgresql://:hunter2@host/x'}": "it contains a secret",
    "mlflow: {uri: 'https://me:hunter2@host'}": "set MLFLOW_TRACKING_USERNAME and MLF",
    "data: {items: 'https://host/x?a=1&api_key=hunter2'}": "api_key is a secret",
    "out: 's3://bucket/x?X-Amz-Signature=hunter2'": "X-Amz-Signature is a secret",
}


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_refused_and_shown_nowhere(write, text):
    error = error_of(write(text))
    assert SECRETS[text] in error.message
    assert "hunter2" not in str(error)
    [(section, value)] = yaml.safe_load(text).items()
    override = f"{section}={json.dumps(value)}"
    error = error_of(None, [override])
    assert SECRETS[text] in error.message
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    "override",
    [
        "--password=hunter2",
        "beam.args.x=[--password=hunter2]",
        "beam.args=[--password=hunter2",
        "train.seed=--password=hunter2",
    ],
)
def test_no_error_shows_a_secret(override):
    assert "hunter2" not in str(error_of(None, [override]))


def test_flags_that_only_sound_like_secrets_are_let_in():
    flags = ["--dataflow_kms_key=projects/a/keys/b", "--no_auth", "--gcp_oauth_scope=a"]
    flags += ["--enable_hot_key_logging", "--job_name=nightly", "--region=eu@home"]
    config = load_config(None, [f"beam.args={json.dumps(flags)}", "out=hdfs://me@a/b"])
    assert config.beam.args == flags


def test_three_thousand_sections_within_each_other_are_refused(write):
    error = error_of(write("".join(f"{' ' * n}a:\n" for n in range(3000))))
    assert error.line > 100
    assert "nested too deeply" in error.message


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.mkdir ['{made}']",
        "!!python/object/new:os.mkdir ['{made}']",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!!python/tuple [1]",
        "!!set {{a}}",
        "!!timestamp 2026-01-01",
        "!mine a",
        "[a, !!python/name:os.system '']",
    ],
)
def test_a_tag_builds_no_object(write, tmp_path, value):
    value = value.format(made=tmp_path / "made")
    error = error_of(write(f"out: {value}\n"))
    assert error.line == 1
    assert "tags and aliases are not supported" in str(error)
    assert "seed" in str(error_of(None, [f"train.seed={value}"]))
    assert not (tmp_path / "made").exists()


def test_a_file_that_cannot_be_read(tmp_path):
    assert "No such file" in str(error_of(tmp_path / "missing.yaml"))
    assert "directory" in str(error_of(tmp_path))


def test_the_null_values_of_the_comment_can_be_copied(write):
    [comment] = re.findall(r"null: (\[NULL.*?\])\.", DEFAULT_YAML.read_text(), re.S)
    listed = comment.replace("\n  #", "")
    config = load_config(write(f"{OWN}  null_values: {listed}\n"))
    assert dialect_of(config.data).nulls == NULL_VALUES[1:]
    config = load_config(write(OWN), ["data.null_values=[NULL]"])
    assert dialect_of(config.data).nulls == ("NULL", "null")


@pytest.mark.parametrize("written", ["%Q", "%", "%d%d"])
def test_what_strptime_does_not_know_is_refused(write, written):
    error = error_of(write(f"{OWN}  timestamp_format: '{written}'\n"))
    assert error.key == "data.timestamp_format"
    assert "is not a format of strptime" in error.message


def test_two_columns_may_be_left_unread(write):
    columns = "  columns: {rating: none, timestamp: none}\n"
    assert len(load_config(write(OWN + columns)).data.columns) == 2


def test_an_override_counts_more_than_the_file(write):
    path = write("split:\n  kind: random\n  seed: 3\n")
    config = load_config(path, ["split.kind=temporal", "train.require_gpu=true"])
    assert (config.split.kind, config.split.seed) == ("temporal", 3)
    assert config.train.require_gpu is True


def test_an_override_joins_the_models_and_floors_that_are_there():
    config = load_config(
        None, ["models.attrec.embedding_dim=16", "gate.floors.mrr=0.05"]
    )
    assert config.models == {
        "popularity": {},
        "mf_als": {},
        "attrec": {"embedding_dim": 16},
    }
    assert config.gate.floors == PipelineConfig().gate.floors | {"mrr": 0.05}


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("label.threshold=> 4", lambda c: c.label.threshold == "> 4"),
        ("label.threshold=>=3", lambda c: c.label.threshold == ">=3"),
        ("label.negative=< 2.5", lambda c: c.label.negative == "< 2.5"),
        ("label.negative=<=2", lambda c: c.label.negative == "<=2"),
        ("label.negative=null", lambda c: c.label.negative is None),
        (
            "vocabulary.leave_out=[user_zip, item_year]",
            lambda c: c.vocabulary.leave_out == ["user_zip", "item_year"],
        ),
        ("models.fm.num_negatives=0", lambda c: c.models["fm"]["num_negatives"] == 0),
        ("out=2024", lambda c: c.out == "2024"),
        ("out=a=b", lambda c: c.out == "a=b"),
        ("data.items=null", lambda c: c.data.items is None),
        ("data.columns.user_id=0", lambda c: c.data.columns == {"user_id": "0"}),
        ("data.item_columns.title=1", lambda c: c.data.item_columns == {"title": "1"}),
        (
            "data.user_columns.user_id=0",
            lambda c: c.data.user_columns["user_id"] == "0",
        ),
        ("out=2020-99-99", lambda c: c.out == "2020-99-99"),
        (
            "gate.floors={auc: 0.6, mrr: 0.1}",
            lambda c: c.gate.floors == {"auc": 0.6, "mrr": 0.1},
        ),
        ("models.mf_als.epochs=2", lambda c: c.models["mf_als"] == {"epochs": 2}),
    ],
)
def test_an_override_needs_no_quotes_of_yaml(override, read):
    assert read(load_config(None, ["data.source=mine.csv", override]))


@pytest.mark.parametrize(
    ("override", "key", "message"),
    [
        ("split.kynd=random", "--set split.kynd", "mean 'kind'"),
        ("split.kind", "--set split.kind", "expected key=value"),
        ("=1", "--set =1", "expected key=value"),
        ("split..kind=random", "--set split..kind=random", "expected key=value"),
        ("out.folder=a", "--set out.folder", "not a section"),
        ("models.neumff.epochs=1", "--set models.neumff", "mean 'neumf'"),
        ("gate.floors={auc: 2}", "--set gate.floors.auc", "from 0 to 1"),
    ],
)
def test_an_error_in_an_override_is_reported_as_such(write, override, key, message):
    path = write("out: somewhere\ngate:\n  floors:\n    auc: 0.6\n")
    error = error_of(path, [override])
    assert (error.file, error.line, error.key) == (None, None, key)
    assert message in error.message


def test_a_flag_counts_more_than_an_override_and_is_text():
    flags = {"--data": ("data.source", "a: {b.csv"), "--out": ("out", "7")}
    config = load_config(None, ["data.source=c", "out=d"], flags)
    assert (config.data.source, config.out) == ("a: {b.csv", "7")
    error = error_of(None, flags={"--data": ("data.source", "")})
    assert str(error).startswith("--data data.source: expected text")


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        (
            "split:\n  eval_fraction: 0.5\n  test_fraction: 0.5\n",
            3,
            "split.test_fraction",
            "their sum must be below 1",
        ),
        ("split:\n  eval_fraction: 0.95\n", 2, "split.eval_fraction", "is 1.05"),
        ("delivery:\n  arms: [a, a]\n", 2, "delivery.arms", "must be two names"),
        ("delivery:\n  arms: [a, shadow]\n", 2, "delivery.arms", "'shadow'"),
        (
            "label: {threshold: all}\ngate:\n  metric: auc\n",
            3,
            "gate.metric",
            "none is disliked",
        ),
        (
            "label: {threshold: all}\ngate:\n  floors:\n    auc: 0.6\n",
            4,
            "gate.floors.auc",
            "none is disliked",
        ),
        (
            "gate:\n  floors:\n    mrr: 0.1\n",
            2,
            "gate.floors",
            "auc is always among them",
        ),
        (
            "gate:\n  metric: auc\n  floors:\n    auc: 0.6\n",
            3,
            "gate.floors",
            "a ranking metric is always among them",
        ),
        (
            "models:\n  fm:\n    loss: bpr\n",
            2,
            "models.fm",
            "the task rating cannot learn by bpr",
        ),
        (
            "models:\n  neumf:\n    task: next_item\n",
            2,
            "models.neumf",
            "made for them learn next_item, sequence or in_batch",
        ),
        (
            "models:\n  gmf: {task: in_batch, loss: softmax}\n",
            2,
            "models.gmf",
            "gmf learns retrieval",
        ),
        (
            "models:\n  two_tower: {task: retrieval, loss: warp}\n",
            2,
            "models.two_tower",
            "two_tower learns in_batch",
        ),
        (
            "models:\n  two_tower:\n    num_negatives: 4\n",
            2,
            "models.two_tower",
            "set models.two_tower.num_negatives=0",
        ),
        (
            "split:\n  held_out_items: 1\n",
            2,
            "split.held_out_items",
            "below 1",
        ),
        (
            "models:\n  neumf:\n    num_negatives: 0\n",
            2,
            "models.neumf",
            "needs num_negatives",
        ),
        (
            "label: {threshold: all}\nmodels:\n  fm: {num_negatives: 0}\n",
            3,
            "models.fm",
            "none is disliked",
        ),
        (OWN + "  encoding: utf8mb4\n", 3, "data.encoding", "such as utf-8, latin-1"),
        (OWN + "  timezone: CEST2\n", 3, "data.timezone", "such as Europe/Berlin"),
        (
            "context:\n  timezone: CEST2\n",
            2,
            "context.timezone",
            "there is no time zone 'CEST2'; expected a name such as Europe/Berlin",
        ),
        (
            "context:\n  fields: [hour, weekday, weekday]\n",
            2,
            "context.fields",
            "weekday is given twice",
        ),
        (OWN + "  quote: '<<'\n", 3, "data.quote", "one ASCII character or none"),
        (
            OWN + "  thousands: '5'\n",
            3,
            "data.thousands",
            "'5' is part of values",
        ),
        (
            OWN + "  decimal: ','\n  thousands: ','\n",
            4,
            "data.thousands",
            "cannot be both",
        ),
        (
            OWN + "  timestamp_format: iso8601\n  timestamp_unit: ms\n",
            4,
            "data.timestamp_unit",
            "for times that are numbers",
        ),
        (
            "data:\n  source: ml-1m\n  decimal: ','\n",
            3,
            "data.decimal",
            "ml-1m has its own",
        ),
        (
            "data:\n  source: ml-1m\n  item_columns: {title: name}\n",
            3,
            "data.item_columns",
            "ml-1m has its own",
        ),
        (
            "data:\n  source: a.csv\n  item_columns: {item_id: 0, title: 0}\n",
            3,
            "data.item_columns",
            "given twice",
        ),
        (
            "data:\n  source: ml-1m\n  columns: {user_id: 3}\n",
            3,
            "data.columns",
            "ml-1m has its own",
        ),
        (
            "data:\n  source: a.csv\n  columns: {user_id: 3, item_id: 3}\n",
            3,
            "data.columns",
            "given twice",
        ),
        (
            "label:\n  threshold: all\n  negative: '< 3'\n",
            3,
            "label.negative",
            "none can be disliked",
        ),
        (
            "train:\n  checkpoint_every: null\n  workers: 2\n",
            3,
            "train.workers",
            "workers go on from checkpoints",
        ),
        (
            "train:\n  warm_start: true\n  shard_tables_from: 1000\n",
            3,
            "train.shard_tables_from",
            "does not go together with train.warm_start",
        ),
        (
            "train:\n  mixed_precision: true\n  shard_tables_from: 1000\n",
            3,
            "train.shard_tables_from",
            "does not go together with train.mixed_precision",
        ),
    ],
)
def test_choices_that_are_impossible_together(write, text, line, key, message):
    error = error_of(write(text))
    assert (error.line, error.key) == (line, key)
    assert message in error.message


def test_without_disliked_ratings_the_default_gate_has_no_auc():
    floors = load_config(None, ["label.threshold=all"]).gate.floors
    assert floors == {"ndcg@10": 0.01, "hit_rate@10": 0.02}


def test_an_override_of_a_section_takes_the_place_of_the_file_s(write):
    path = write(
        "label: {threshold: all}\ngate:\n  max_loss: 0.1\n  floors:\n    auc: 0.6\n"
    )
    gate = load_config(path, ["gate={metric: mrr}"]).gate
    assert (gate.metric, gate.max_loss) == ("mrr", 0.005)
    assert "auc" not in gate.floors  # the file's own was an impossible choice


def test_popularity_is_always_trained_first(write):
    config = load_config(write("models:\n  neumf:\n"))
    assert list(config.models) == ["popularity", "neumf"]


def test_selected_models_keep_their_settings_and_order():
    config = load_config(None, ["models.neumf.epochs=2"])
    chosen = select_models(config, ["neumf", "popularity"])
    assert list(chosen.models.items()) == [("neumf", {"epochs": 2}), ("popularity", {})]
    assert list(select_models(config, ["mf_als"]).models) == ["popularity", "mf_als"]
    assert {"popularity", "mf_als", "neumf", "attrec"} <= set(
        select_models(config, ["all"]).models
    )


def test_the_parts_of_a_model_have_the_settings_of_their_models():
    config = load_config(None, ["models.deepfm.epochs=2", "models.ease.l2=7.0"])
    assert select_models(config, ["two_stage"]).models == {
        "popularity": {},
        "two_stage": {"ranking_settings": {"epochs": 2}},
    }
    given = "models.two_stage={retrieval: ease, ranking_settings: {epochs: 5}}"
    own = {"epochs": 2}, {"l2": 7.0}
    overrides = [f"models.deepfm={own[0]}", f"models.ease={own[1]}", given]
    config = load_config(None, overrides)
    assert config.models["two_stage"] == {
        "retrieval": "ease",
        "ranking_settings": {"epochs": 5},
        "retrieval_settings": {"l2": 7.0},
    }
    assert config.models["deepfm"] == {"epochs": 2}
    assert (
        select_models(config, ["two_stage"]).models["two_stage"]
        == (config.models["two_stage"])
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "{ranking: nope}",
            "models.two_stage: ranking is 'nope', which is not a model",
        ),
        ("{retrieval: two_stage}", "retrieval is 'two_stage', which is not a model"),
        ("{candidates: 0}", "candidates: expected a whole number from 1 to 10000, got"),
        ("{candidates: 10001}", "expected a whole number from 1 to 10000, got 10001"),
        ("{ranking: null}", "ranking: expected the name of a model, got nothing"),
        ("{tuned: auto}", "models.two_stage has no 'tuned'"),
        (
            "{ranking_settings: {epoch: 3}}",
            "ranking_settings: DeepFMConfig has no field",
        ),
        ("{ranking_settings: {epochs: 0}}", "ranking_settings: Expected `int` >= 1"),
        (
            "{ranking_settings: {tuned: auto}}",
            "ranking: deepfm takes settings that were",
        ),
        (
            "{retrieval_settings: {loss: bpr}}",
            "retrieval: the task in_batch cannot learn",
        ),
    ],
)
def test_parts_that_cannot_be_used_are_one_line(settings, expected):
    with pytest.raises(ConfigError) as caught:
        load_config(None, [f"models.two_stage={settings}"])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [["neumff"], [""], [], ["all", "neumf"]])
def test_selecting_an_unknown_model(names):
    with pytest.raises(ConfigError, match="--models: no model"):
        select_models(PipelineConfig(), names)


def test_the_gate_knows_the_metrics_that_may_gate():
    assert {*GATED_RANKING_METRICS, *GATED_LABEL_METRICS} == {
        *("auc", "hit_rate@10", "ndcg@10", "mrr", "recall@10", "precision@10"),
        *("mean_rank_auc", "coverage@10", "accuracy", "precision", "recall"),
    }


def outcome(*args):
    """A configuration, or the error: nothing else may come of any text."""
    try:
        return load_config(*args)
    except ConfigError as error:
        return error


@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
@example("data: {source: !!timestamp 2020-01-01}")
@example("? {a: 1}\n: 2")
@example("split: {kind: [[]]}")
@example("out: 2020-99-99")
@example("train: {seed: 99999999999999999999999}")
def test_any_text_is_a_configuration_or_an_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("config") / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    result = outcome(path)
    assert isinstance(result, PipelineConfig) or result.file == path


KEYS = st.sampled_from(
    ["split", "split.kind", "models", "models.neumf", "gate.floors.auc", "out", "a.b"]
)


@given(KEYS, st.text())
@example("out", "2020-99-99")
@example("split.kind", "{[]: 1}")
def test_any_override_is_a_configuration_or_an_error(key, value):
    result = outcome(None, [f"{key}={value}"])
    assert isinstance(result, PipelineConfig) or result.file is None


@pytest.mark.parametrize(
    "setting", ["models.attrec.task=retrieval", "models.gmf.task=next_item"]
)
def test_only_the_models_of_a_task_learn_it(setting):
    error = error_of(overrides=[setting])
    assert "learn next_item, sequence or in_batch" in error.message

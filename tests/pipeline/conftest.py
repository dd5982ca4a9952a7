"""The command in this process, versions that were live, ratings and recommenders."""

import json
from types import SimpleNamespace

import pytest

from components.pusher import versions
from pipeline.cli import command


@pytest.fixture
def marquee(capfd, monkeypatch, tmp_path):
    """Runs the command in an empty folder: status, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()  # what a test's own imports have said
        with pytest.raises(SystemExit) as end:
            command.main(arguments, prog_name="marquee")
        return SimpleNamespace(
            status=end.value.code or 0, **capfd.readouterr()._asdict()
        )

    return run


@pytest.fixture
def pushed(tmp_path):
    """Versions 1 and 2, of two models, below the default folder."""
    live = tmp_path / "marquee-out" / "live"
    for name in ("mf_als", "neumf"):
        card = tmp_path / name / "assets.extra" / "marquee.json"
        card.parent.mkdir(parents=True)
        card.write_text(json.dumps({"model": name, "origin": f"Trainer_{name}"}))
        (tmp_path / name / "saved_model.pb").write_text(name)
        versions.push(tmp_path / name, live, keep=5)
    return live


@pytest.fixture(scope="session")
def write_ratings():
    """Writes Examples as RatingsExampleGen does: user -> item -> stars."""
    import tensorflow as tf  # takes seconds, which most tests have no need of

    def write(path, rated):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for user, stars in rated.items():
                example = tf.train.Example()
                feature = example.features.feature
                feature["user_id"].bytes_list.value.append(user.encode())
                feature["item_id"].bytes_list.value.extend(i.encode() for i in stars)
                feature["rating"].float_list.value.extend(stars.values())
                writer.write(example.SerializeToString())

    return write


@pytest.fixture(scope="session")
def save_recommender():
    """Saves a module whose ``recommend`` is asked as that of an exported model is.

    The module's own takes users, items of their histories, and k.
    """
    import tensorflow as tf

    def save(module, folder, **other_signatures):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="user_id"),
                tf.TensorSpec([None, None], tf.string, name="history_item_id"),
                tf.TensorSpec([None, None], tf.float32, name="history_rating"),
                tf.TensorSpec([None, None], tf.string, name="user_features"),
                tf.TensorSpec([], tf.int32, name="k"),
            ]
        )
        def recommend(user_id, history_item_id, history_rating, user_features, k):
            return module.recommend(user_id, history_item_id, k)

        signatures = {"recommend": recommend, **other_signatures}
        tf.saved_model.save(module, str(folder), signatures=signatures)

    return save

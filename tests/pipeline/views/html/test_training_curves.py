import math

import numpy as np
import tensorflow as tf

from pipeline.views.html.training_curves import fastest, read_curves


def write(folder, **series):
    """As Keras' TensorBoard callback does: epochs from 0."""
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for epoch, values in enumerate(zip(*series.values(), strict=True)):
            for name, value in zip(series, values, strict=True):
                tf.summary.scalar(f"epoch_{name}", value, step=epoch)
    writer.close()


def test_a_training_comes_back_as_it_was_logged(tmp_path):
    write(tmp_path / "train", loss=[0.5, 0.25, 0.125], ndcg=[0.1, 0.4, 0.4])
    [curve] = read_curves(tmp_path)
    assert (curve.part, curve.metric) == ("", "ndcg")
    assert [epoch.number for epoch in curve.epochs] == [1, 2, 3]
    assert [epoch.values["loss"] for epoch in curve.epochs] == [0.5, 0.25, 0.125]
    # The first of equals, as EarlyStopping requires an improvement.
    assert curve.best == 2
    assert curve.epochs[0].seconds is None
    assert 0 <= fastest(curve) == min(epoch.seconds for epoch in curve.epochs[1:])


def test_the_best_epoch_is_the_one_that_keras_keeps(tmp_path):
    random = np.random.default_rng(0)
    inputs, labels = random.normal(size=[2, 64, 1])
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    values = iter([3.0, 1.5, 2.0, 1.0, 4.0])

    class Measured(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["rmse"] = next(values)

    stopping = tf.keras.callbacks.EarlyStopping(
        "rmse", mode="min", patience=9, restore_best_weights=True
    )
    log = tf.keras.callbacks.TensorBoard(str(tmp_path), write_graph=False)
    model.fit(
        inputs, labels, epochs=5, verbose=0, callbacks=[Measured(), log, stopping]
    )
    [curve] = read_curves(tmp_path)
    assert curve.metric == "rmse"
    assert curve.best == stopping.best_epoch + 1 == 4


def test_joined_halves_that_no_epoch_made_better_are_epoch_0(tmp_path):
    write(tmp_path / "train", loss=[0.5, 0.25], ndcg=[0.3, 0.2])
    with tf.summary.create_file_writer(str(tmp_path / "train")).as_default():
        tf.summary.scalar("epoch_ndcg", 0.4, step=-1)
    [curve] = read_curves(tmp_path)
    assert (curve.metric, curve.best) == ("ndcg", 0)
    assert [epoch.number for epoch in curve.epochs] == [0, 1, 2]
    assert "loss" not in curve.epochs[0].values
    assert [epoch.seconds is None for epoch in curve.epochs] == [True, False, False]


def test_halves_and_refits_are_parts_and_what_did_not_train_is_none(tmp_path):
    write(tmp_path / "train", loss=[0.5], ndcg=[0.1])
    write(tmp_path / "gmf" / "train", loss=[0.6], ndcg=[0.2])
    write(tmp_path / "refit" / "train", loss=[0.4])
    write(tmp_path / "other", learning_rate=[0.4])
    curves = {curve.part: curve for curve in read_curves(tmp_path)}
    assert set(curves) == {"", "gmf", "refit"}
    assert curves["refit"].best is None
    assert read_curves(tmp_path / "nowhere") == []


def test_an_epoch_that_broke_is_never_the_best(tmp_path):
    write(tmp_path / "train", loss=[1.0, math.nan, 1.0], ndcg=[0.1, math.nan, 0.3])
    [curve] = read_curves(tmp_path)
    assert curve.best == 3
    assert math.isnan(curve.epochs[1].values["loss"])

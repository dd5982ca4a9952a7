"""NCF: RecLearn's form of He et al. 2017, and one set of weights on any devices."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.sizes import Sizes
from trainer_modules.tasks.losses import balanced_cross_entropy

SIZES = Sizes(num_users=5, num_items=6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_product_passes_a_sigmoid(build):
    model = build("ncf", SIZES, embedding_dim=3, hidden_units=(4, 2))
    pairs = {f.USER_INDEX: [2, 3], f.ITEM_INDEX: [[2, 5, 4], [4, 3, 1]]}
    pairs = {name: tf.constant(index) for name, index in pairs.items()}
    random = np.random.default_rng(0)
    model(pairs)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.8, weight.shape))
    score = model(pairs)
    tower = model.tower(pairs)
    users = model.embeddings.user.embeddings.numpy()
    items = model.embeddings.item.embeddings.numpy()
    h, bias = model.prediction.get_weights()
    for row, user in enumerate(pairs[f.USER_INDEX]):
        for column, item in enumerate(pairs[f.ITEM_INDEX][row]):
            product = sum(
                sigmoid(users[user, d] * items[item, d]) * h[d, 0] for d in range(3)
            )
            np.testing.assert_allclose(
                score[row, column], product + bias[0] + tower[row, column], rtol=1e-4
            )


def test_a_positive_weighs_as_much_as_all_its_negatives():
    score = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
    expected = [
        (-np.log(sigmoid(row[0])) - np.mean(np.log(1 - sigmoid(row[1:])))) / 2
        for row in score
    ]
    label = tf.one_hot([0, 0], 3)
    np.testing.assert_allclose(
        balanced_cross_entropy(tf.constant(score), label), expected, rtol=1e-6
    )


# Devices can be divided only before TensorFlow first uses them: a process of its own.
TRAIN_ON_DEVICES = """
    import json, sys
    import numpy as np
    import tensorflow as tf
    from trainer_modules import training
    from trainer_modules.configs import NCFConfig
    from trainer_modules.inputs import Data
    from trainer_modules.models.ncf import NCF
    from trainer_modules.sizes import Sizes

    [cpu] = tf.config.list_physical_devices("CPU")
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])
    told = json.loads(sys.argv[1])
    spec = {"user_index": tf.io.FixedLenFeature([1], tf.int64)} | {
        name: tf.io.RaggedFeature(dtype, key, row_splits_dtype=tf.int64)
        for name, (dtype, key) in told["lists"].items()
    }
    sizes = Sizes(*told["sizes"])
    data = Data(told["train"], told["eval"], spec, sizes, 0)

    # Batches of three lists, which two devices share as two and one. What is dropped
    # would not be the same.
    config = NCFConfig(
        epochs=1,
        batch_size=3,
        embedding_dim=4,
        hidden_units=(8, 4, 2),
        dropout_rate=0.0,
        l2=0.01,
    )

    def trained(strategy):
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            model = NCF(config, sizes)
        training.fit(model, config, data, seed=0, log_dir=told["logs"], name="ncf")
        return strategy.num_replicas_in_sync, model.get_weights()

    one, alone = trained(tf.distribute.get_strategy())
    two, shared = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    assert (one, two) == (1, 2)
    for a, b in zip(alone, shared, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    print("the same", len(alone))
"""


def test_two_devices_give_the_weights_of_one(planted, tmp_path):
    told = {
        "train": planted.data.train_files,
        "eval": planted.data.eval_files,
        "sizes": [planted.data.sizes.num_users, planted.data.sizes.num_items],
        "lists": {
            name: (spec.dtype.name, spec.value_key)
            for name, spec in planted.data.feature_spec.items()
            if isinstance(spec, tf.io.RaggedFeature)
        },
        "logs": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAIN_ON_DEVICES), json.dumps(told)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "the same 14"

"""LightGCN: He et al. 2020, by a dense adjacency matrix and a loop over layers."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, configure, make_interactions, randomise
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.layers.interaction_graph import InteractionGraph
from trainer_modules.sizes import Sizes

USERS, ITEMS, DIM = 7, 9, 4
ALONE_USER, ALONE_ITEM = 6, 8  # no edges
PAIRS = {
    f.USER_INDEX: tf.constant([2, f.UNKNOWN_INDEX, ALONE_USER]),
    f.ITEM_INDEX: tf.constant([[2, 5, ALONE_ITEM], [f.UNKNOWN_INDEX, 7, 3], [4, 4, 8]]),
}


@pytest.fixture(scope="module")
def edges():
    random = np.random.default_rng(0)
    rated = random.random([USERS, ITEMS]) < 0.5
    rated[:2] = rated[:, 0] = False  # padding; an item can be unknown, a user is not
    rated[ALONE_USER] = rated[:, ALONE_ITEM] = False
    return [(int(u), int(i)) for u, i in np.argwhere(rated)]


def mean_of_layers(user, item, edges, num_layers):
    """The mean of layers 0 to K of users and items, by a dense adjacency matrix."""
    num_users, num_nodes = len(user), len(user) + len(item)
    adjacency = np.zeros([num_nodes, num_nodes])
    for u, i in edges:
        adjacency[u, num_users + i] = adjacency[num_users + i, u] = 1
    degree = adjacency.sum(1)
    for a in range(num_nodes):
        for b in range(num_nodes):
            if adjacency[a, b]:
                adjacency[a, b] = 1 / np.sqrt(degree[a] * degree[b])
    layers = [np.concatenate([user, item])]
    for _ in range(num_layers):
        layers.append(adjacency @ layers[-1])
    mean = sum(layers) / len(layers)
    return mean[:num_users], mean[num_users:]


def layer_0(model):
    return model.own.user.embeddings.numpy(), model.own.item.embeddings.numpy()


def expected_scores(model, edges, num_layers, pairs=PAIRS):
    user, item = mean_of_layers(*layer_0(model), edges, num_layers)
    return [
        [user[u] @ item[i] for i in items]
        for u, items in zip(pairs[f.USER_INDEX], pairs[f.ITEM_INDEX], strict=True)
    ]


@pytest.fixture
def start():
    def made(num_layers, **more):
        settings = {"embedding_dim": DIM, "num_layers": num_layers} | more
        model = build("light_gcn", Sizes(USERS, ITEMS), **settings)
        return randomise(model, PAIRS, 0.8)

    return made


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_training_and_scoring_use_the_mean_of_the_layers(start, edges, num_layers):
    model = start(num_layers)
    model.connect(make_interactions(edges, USERS, ITEMS))
    expected = expected_scores(model, edges, num_layers)
    np.testing.assert_allclose(model(PAIRS, training=True), expected, atol=1e-5)
    assert np.abs(model(PAIRS) - expected).max() > 0.01  # of the former vectors
    model.propagate()
    np.testing.assert_allclose(model(PAIRS), expected, atol=1e-5)


def test_without_edges_only_layer_0_counts(start):
    model = start(3)
    user, item = layer_0(model)
    expected = [user[ALONE_USER] @ item[i] / 16 for i in (4, 4, 8)]
    for training_mode in (False, True):
        score = model(PAIRS, training=training_mode)
        np.testing.assert_allclose(score[2], expected, rtol=1e-5)


def test_the_gradient_is_that_of_the_dense_matrix(start, edges):
    model = start(3, l2=0.0)
    model.connect(make_interactions(edges, USERS, ITEMS))
    weight = np.random.default_rng(1).normal(0, 1, [3, 3])
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weight * model(PAIRS, training=True))
    found = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]
    tables = [table.astype(np.float64) for table in layer_0(model)]

    def loss_of(tables):
        user, item = mean_of_layers(*tables, edges, 3)
        return sum(
            weight[row, column] * user[u] @ item[i]
            for row, u in enumerate(PAIRS[f.USER_INDEX].numpy())
            for column, i in enumerate(PAIRS[f.ITEM_INDEX][row].numpy())
        )

    for side, gradient in enumerate(found):
        for place in np.ndindex(*gradient.shape):
            moved = []
            for step in (1e-6, -1e-6):
                shifted = [table.copy() for table in tables]
                shifted[side][place] += step
                moved.append(loss_of(shifted))
            slope = (moved[0] - moved[1]) / 2e-6
            np.testing.assert_allclose(gradient[place], slope, atol=1e-4)


def test_only_the_vectors_of_layer_0_that_a_batch_reads_decay(start, edges):
    model = start(2, l2=0.1)
    model.connect(make_interactions(edges, USERS, ITEMS))
    user, item = layer_0(model)
    model(PAIRS)
    assert sum(model.losses) == 0
    model(PAIRS, training=True)
    of_users = np.mean([(user[u] ** 2).sum() for u in (2, 1, 6)])
    of_items = np.mean([(item[i] ** 2).sum() for i in (2, 5, 8, 1, 7, 3, 4, 4, 8)])
    np.testing.assert_allclose(
        sum(model.losses), 0.1 * (of_users + of_items), rtol=1e-5
    )


def test_only_layer_0_is_trained(start):
    paths = start(1).get_weight_paths()
    assert {path: weight.shape[0] for path, weight in paths.items()} == {
        "own.user.embeddings": USERS,
        "own.item.embeddings": ITEMS,
        "received.user.embeddings": USERS,
        "received.item.embeddings": ITEMS,
    }
    assert len(start(1).trainable_variables) == 2


def test_a_node_without_edges_receives_nothing(edges):
    graph = InteractionGraph(make_interactions(edges, USERS, ITEMS))
    user, item = graph.layers_sum(tf.ones([USERS, DIM]), tf.ones([ITEMS, DIM]), 2)
    assert not np.any(user[ALONE_USER])
    assert not np.any(item[ALONE_ITEM])
    assert np.all(user[2] > 0)


@pytest.mark.parametrize("refit", [False, True])
def test_a_trained_model_scores_by_its_last_vectors_and_the_likes_it_learnt(
    transformed_log, tmp_path, refit
):
    log = {u: [(2 + u * n % 7, n % 2, 5.0) for n in (1, 2, 3)] for u in (2, 3, 4)}
    held_out = {u: [(2 + u * 4 % 7, 1, 5.0)] for u in (2, 4)}
    data = transformed_log(log, held_out, USERS, ITEMS)
    settings = {"embedding_dim": DIM, "epochs": 3, "patience": 1, "refit": refit}
    start = build("light_gcn", data.sizes, **settings)
    config = configure("light_gcn", settings)
    model, _ = training.fit_and_refit(
        lambda: build("light_gcn", data.sizes, **settings),
        config,
        data,
        seed=0,
        log_dir=str(tmp_path),
        name="light_gcn",
    )
    rated = [*log.items(), *(held_out.items() if refit else ())]
    edges = [(u, i) for u, likes in rated for i, label, _ in likes if label]
    assert edges
    assert np.abs(layer_0(model)[0] - layer_0(start)[0]).max() > 1e-3
    expected = expected_scores(model, edges, config.num_layers)
    np.testing.assert_allclose(model(PAIRS), expected, rtol=1e-4, atol=1e-6)

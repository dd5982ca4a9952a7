"""The messages of a training, as the log of a pod shows them."""

from trainer_modules.progress import Progress


def test_an_epoch_is_logged_with_its_numbers(caplog):
    progress = Progress("neumf", 20, 1000)
    progress.on_train_begin({})
    with caplog.at_level("INFO", logger="marquee.progress"):
        for epoch, metric in enumerate((None, "ndcg")):
            progress.metric = metric
            progress.on_epoch_begin(epoch, {})
            progress.on_train_batch_end(0, {})
            progress.on_epoch_end(epoch, {"loss": 0.31234, "ndcg": 0.25})
    assert caplog.messages == [
        "neumf: epoch 1/20, loss 0.3123",
        "neumf: epoch 2/20, loss 0.3123, ndcg 0.2500",
    ]

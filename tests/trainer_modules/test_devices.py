"""How devices divide a batch, as TensorFlow does it, on four logical devices."""

import subprocess
import sys
import textwrap

# Devices can be divided only before TensorFlow first uses them: a process of its own.
SHARE = """
    import numpy as np
    import tensorflow as tf
    from trainer_modules import devices, disk_arrays

    [cpu] = tf.config.list_physical_devices("CPU")
    part = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [part] * 4)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(4)])
    assert devices.shared_size(5) == 5  # out of the strategy's scope
    for whole in (4, 5, 6, 7, 8, 9, 10, 16, 17, 33, 100):
        with strategy.scope():
            size = devices.shared_size(whole)
        batch = tf.data.Dataset.range(size).batch(size)
        shares = next(iter(strategy.experimental_distribute_dataset(batch)))
        rows = [int(tf.size(r)) for r in strategy.experimental_local_results(shares)]
        assert len(rows) == 4 and min(rows) > 0 and sum(rows) == size, (whole, rows)
        print(whole, size)
    with strategy.scope():
        assert devices.shared_size(3) == 3
    try:
        devices.share(strategy, batch, 3)
    except ValueError as error:
        print(error)
    disk_arrays.MAPPED_BYTES = disk_arrays.BLOCK_ROWS = 2
    with strategy.scope():
        table = tf.Variable(tf.reshape(tf.range(10.0), [5, 2]))
    assert (disk_arrays.copied(table) == np.arange(10).reshape(5, 2)).all()
    try:
        devices.place(strategy)
    except ValueError as error:
        print(error)
"""


def test_every_device_has_a_row_of_every_batch():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SHARE)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *sizes, message, no_workers = done.stdout.splitlines()
    # The last device would have none of 5, 6 or 9 rows.
    assert sizes == [
        *("4 4", "5 4", "6 4", "7 7", "8 8", "9 8"),
        *("10 10", "16 16", "17 17", "33 33", "100 100"),
    ]
    assert message.startswith("a batch has 3 rows, too few for 4 devices")
    assert "among workers, and one process sees 4 devices" in no_workers

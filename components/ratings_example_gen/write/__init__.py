"""Groups checked ratings by user, splits them, and writes one Example per user.

In the order in which the data meets them:

- ``user_histories``: sorts a bucket of ratings by user and time, without repeats.
- ``splits``: divides each history between train, eval and test.
- ``example_encoder``: serializes each user's part of a split as ``tf.train.Example``.
- ``tfrecords``: writes these records to gzipped TFRecord files.
"""

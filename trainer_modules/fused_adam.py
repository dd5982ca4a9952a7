"""Adam with one operation for each variable."""

import tensorflow as tf


class FusedAdam(tf.keras.optimizers.Adam):
    """Adam whose step is a single pass over each variable and its moments.

    Kingma, Ba: "Adam: A Method for Stochastic Optimization", ICLR 2015,
    https://arxiv.org/abs/1412.6980. Keras takes eight passes over a table of embeddings
    in each step, however few of its rows a batch reads, since the moments of all rows
    decay. The weights differ from Keras' by rounding alone.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Updates a variable, and its moments, by its gradient."""
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        place = self._index_dict[self._var_key(variable)]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].handle,
            v=self._velocities[place].handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=tf.cast(self.learning_rate, dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),  # rows not in the batch have 0
        )

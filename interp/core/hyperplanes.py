"""The nearest point of a hyperplane inside the box [0, 1], in the norms linf and l2, for many hyperplanes at once."""

import tensorflow as tf

# The slope changes once a pixel at most, and a few times in practice.
MOST_ROUNDS = 30
_ACCURACY = 1e-6


def step_to_hyperplane(points: tf.Tensor, normal: tf.Tensor, offset: tf.Tensor, norm: str) -> tf.Tensor:
    """The shortest d with normal . d = offset and points + d in [0, 1], of `points` and `normal` (n, ...) and `offset` (n,), in the `norm`.

    Where no d is enough it goes as far as the box lets it.

    With d_i = s_i min(t u_i, room_i), s_i the sign towards the hyperplane, and u_i = 1 in linf and |normal_i| in l2, what is reached grows
    with t, ever more slowly, so Newton's steps from t = 0 come to the solution from below, exactly, after as many as pixels that
    meet the box in between.
    """
    shape = tf.shape(points)
    rows = [tf.reshape(values, (shape[0], -1)) for values in (points, normal)]
    direction = tf.sign(rows[1]) * tf.sign(offset)[:, None]
    room = tf.where(direction > 0, 1 - rows[0], rows[0])
    weight, wanted = tf.abs(rows[1]), tf.abs(offset)
    unit = tf.ones_like(weight) if norm == "linf" else weight
    gain = weight * unit

    def newton(number: tf.Tensor, size: tf.Tensor, missing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        length = size[:, None] * unit
        missing = wanted - tf.reduce_sum(weight * tf.minimum(length, room), 1)
        slope = tf.reduce_sum(tf.where(length < room, gain, 0.0), 1)
        return number + 1, size + tf.nn.relu(tf.math.divide_no_nan(missing, slope)), tf.where(slope > 0, missing, 0.0)

    def goes_on(number: tf.Tensor, _: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
        return (number < MOST_ROUNDS) & tf.reduce_any(missing > _ACCURACY * wanted)

    _, size, _ = tf.while_loop(goes_on, newton, (0, tf.zeros_like(wanted), wanted))
    return tf.reshape(direction * tf.minimum(size[:, None] * unit, room), shape)

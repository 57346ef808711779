"""Whether logits are piecewise linear in the images: then their gradient is constant around an image, and has none of its own."""

import keras
import tensorflow as tf

from interp.core.compiled import drop_dead_losses, keep_for
from interp.models.model_graph import ancestors, find_logits
from interp.models.network import Network

# Operations that are linear in all that depends on the images, ReLU and maxima of neighbours, and those that move numbers around.
# fmt: off
LINEAR = frozenset((
    "Add", "AddN", "AddV2", "AvgPool", "BatchToSpaceND", "BiasAdd", "BroadcastTo", "Cast", "ConcatV2", "DepthToSpace", "EnsureShape",
    "ExpandDims", "GatherNd", "GatherV2", "Identity", "IdentityN", "Max", "MaxPool", "MaxPoolV2", "Mean", "MirrorPad", "Neg", "Pack",
    "Pad", "PadV2", "Relu", "Relu6", "Reshape", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor", "ReverseV2", "Roll", "Slice",
    "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV", "Squeeze", "StopGradient", "StridedSlice", "Sub", "Sum", "Tile", "Transpose",
    "Unpack",
))
# fmt: on
# Those that are linear in one operand while the others stay the same: in any, in the first, or in the last one.
PRODUCTS = frozenset(("BatchMatMul", "BatchMatMulV2", "Einsum", "MatMul", "Mul"))
IN_FIRST = frozenset(("Conv2D", "DepthwiseConv2dNative", "FusedBatchNormV3", "RealDiv"))
IN_LAST = frozenset(("Conv2DBackpropInput",))
# Others of which activations are made.
_PIECEWISE = frozenset(("Abs", "LeakyRelu", "Maximum", "Min", "Minimum", "SelectV2"))


def is_piecewise_linear(model: keras.Model, image_shape: tuple[int, ...]) -> bool:
    """Say whether the logits of a checked model are piecewise linear in images of this shape, in inference mode.

    Looked up in the graph of the model, once. What is not known, such as a compiled function inside, counts as not linear.
    """
    if type(model) is Network:
        return True
    return bool(keep_for(model, ("piecewise linear", image_shape), lambda: _trace(model, image_shape)))


def _trace(model: keras.Model, image_shape: tuple[int, ...]) -> bool:
    found: list[bool] = []

    def passing(images: tf.Tensor) -> tf.Tensor:
        logits, _ = find_logits(model(images, training=False))
        found.append(_is_linear(images, logits))
        return logits

    images = tf.TensorSpec([None, *image_shape])
    # The caller may be building a graph.
    with tf.init_scope():
        tf.function(passing, autograph=False).get_concrete_function(images)
        drop_dead_losses(model, images)
    return found[-1]


def _is_linear(images: tf.Tensor, logits: tf.Tensor) -> bool:
    used = {tensor.op for tensor in ancestors(logits)}
    reached = {images.ref()}
    for operation in images.graph.get_operations():
        depending = [place for place, tensor in enumerate(operation.inputs) if tensor.ref() in reached]
        # Shapes and places are whole numbers, the same around an image.
        made = [tensor for tensor in operation.outputs if tensor.dtype.is_floating]
        if operation not in used or not depending or not made:
            continue
        last = len(operation.inputs) - 1
        if not (
            operation.type in LINEAR | _PIECEWISE
            or (operation.type in PRODUCTS and len(depending) == 1)
            or (operation.type in IN_FIRST | {"Div"} and depending == [0] and not _is_training(operation))
            or (operation.type in IN_LAST and depending == [last])
        ):
            return False
        reached.update(tensor.ref() for tensor in made)
    return True


def _is_training(operation: tf.Operation) -> bool:
    """Whether it normalises by the statistics of its batch."""
    return operation.type == "FusedBatchNormV3" and bool(operation.get_attr("is_training"))

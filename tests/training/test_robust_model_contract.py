"""Images and labels that a `RobustModel` is given are checked, whatever the way in, before they change a weight."""

import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from tests.training.small_robust_model import make

WAYS = ("fit", "pipeline", "train_on_batch", "evaluate", "predict")


def give(model, way, images, labels):
    """Hand images and labels to the model by one of its ways in, in batches of 20."""
    batches = [(images[first : first + 20], labels[first : first + 20]) for first in range(0, len(images), 20)]
    if way == "pipeline":
        return model.fit(tf.data.Dataset.from_tensor_slices((images, labels)).batch(20), verbose=0)
    if way == "predict":
        return model.predict(images, batch_size=20, verbose=0)
    if way in ("fit", "evaluate"):
        options = {"shuffle": False} if way == "fit" else {}
        return getattr(model, way)(images, labels, batch_size=20, verbose=0, **options)
    for batch in batches:
        getattr(model, way)(*batch)


def with_nan(images):
    """A NaN in the last batch of 20."""
    spoiled = np.array(images)
    spoiled[-1, 3, 3] = np.nan
    return spoiled


OUTSIDE = {
    "bytes as floats": (lambda images, labels: (255 * images, labels), r"values in \[0, 255\], expected \[0, 1\]"),
    "bytes": (lambda images, labels: ((255 * images).astype("uint8"), labels), "came as uint8.*divide by 255"),
    "NaN": (lambda images, labels: (with_nan(images), labels), "images hold NaN"),
    "no channels": (lambda images, labels: (images[..., 0], labels), r"shape .*28, ?28.*missing axis"),
    "other size": (lambda images, labels: (images[:, :14, :14], labels), r"shape .*14, ?14.*network takes"),
    "one-hot": (
        lambda images, labels: (images, np.eye(10, dtype="float32")[labels]),
        r"one-hot rows take argmax\(-1\)",
    ),
    "one-hot integers": (
        lambda images, labels: (images, np.eye(10, dtype=int)[labels]),
        r"one-hot rows take argmax\(-1\)",
    ),
    "floats": (lambda images, labels: (images, labels.astype("float32")), "labels came as float32"),
    "too large": (
        lambda images, labels: (images, labels + 1),
        r"labels came in \[1, 10\], the network has classes 0 to 9",
    ),
    "negative": (lambda images, labels: (images, labels - 1), r"labels came in \[-1, 8\]"),
}


@pytest.fixture(scope="module")
def shared():
    """One model for all cases, so its graphs have seen several shapes; it is put back after each."""
    model = make("normal")
    model.compile("sgd")
    return model


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", OUTSIDE)
@pytest.mark.filterwarnings("ignore:.shuffle=True.")
def test_the_contract_is_checked_whatever_the_way_in(digits, shared, case, way):
    spoil, message = OUTSIDE[case]
    few = digits["train"].take(100)
    first = few.take(20)
    if case == "NaN":
        # Batches before the bad one train as they should.
        first = few.take(80)
    images, labels = spoil(np.array(few.images), few.labels)
    start = shared.get_weights()
    if way == "predict" and case in ("one-hot", "one-hot integers", "floats", "too large", "negative"):
        assert give(shared, way, images, labels).shape == (100, 10)
        return
    if case == "NaN" and way in ("fit", "pipeline", "train_on_batch"):
        shared.optimizer.iterations.assign(0)
        give(shared, way, np.array(first.images), first.labels)
    before = shared.get_weights()
    shared.set_weights(start)
    shared.optimizer.iterations.assign(0)
    if case in ("too large", "negative"):
        # Every class is in every batch, so that each batch is as wrong as all.
        rows = np.concatenate([np.argsort(labels, kind="stable")[offset::5] for offset in range(5)])
        images, labels = images[rows], labels[rows]
    with pytest.raises(InputError, match=message) as caught:
        give(shared, way, images, labels)
    assert "\n" not in str(caught.value)
    for one, other in zip(before, shared.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    shared.set_weights(start)
    # What was said once is not said again of good images.
    assert np.isfinite(give(shared, "predict", np.array(first.images), first.labels)).all()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 3}, {"jit_compile": True}])
def test_the_contract_is_checked_however_it_is_compiled(digits, options):
    model = make("adv")
    model.compile("sgd", **options)
    few = digits["train"].take(60)
    before = model.get_weights()
    for images, message in ((255 * np.array(few.images), "255"), (np.array(few.images) * np.nan, "images hold NaN")):
        with pytest.raises(InputError, match=message):
            give(model, "fit", images, few.labels)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    history = give(model, "fit", np.array(few.images), few.labels[:, None]).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.slow
def test_columns_of_labels_and_validation_images(digits):
    """(n, 1) is what keras.datasets.cifar10 gives; images of a validation split are checked as well."""
    columns, flat = make("adv"), make("adv")
    few = digits["train"].take(40)
    for model, labels in ((columns, few.labels[:, None]), (flat, few.labels)):
        model.compile("sgd")
        model.fit(np.array(few.images), labels, batch_size=20, verbose=0, shuffle=False)
    for one, other in zip(columns.get_weights(), flat.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="255"):
        flat.test_on_batch(255 * np.array(few.images), few.labels)
    with pytest.raises(InputError, match="255"):
        flat.fit(
            ((255 * image[None], label[None]) for image, label in zip(few.images, few.labels, strict=True)), verbose=0
        )
    with pytest.raises(InputError, match="255"):
        flat.fit(few.images, few.labels, validation_data=(255 * np.array(few.images), few.labels), verbose=0)


@pytest.mark.integration
def test_shapes_that_only_the_running_pipeline_knows(digits):
    few = digits["train"].take(40)

    def batches():
        yield np.array(few.images), few.labels[:, None]

    unknown = tf.data.Dataset.from_generator(batches, output_types=(tf.float32, tf.int64))
    model = make("adv")
    model.compile("sgd")
    assert np.isfinite(model.fit(unknown, verbose=0).history["loss"]).all()
    for change, message in (
        (lambda images, labels: (images[..., 0], labels), r"images came with shape \[40,28,28\]"),
        (lambda images, labels: (images, tf.one_hot(labels[:, 0], 10)), r"argmax\(-1\)|came as float32"),
    ):
        with pytest.raises(InputError, match=message):
            model.fit(unknown.map(change), verbose=0)

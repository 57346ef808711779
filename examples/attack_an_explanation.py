"""Attack the explanation of a Keras model and compare the maps of those images whose prediction stayed."""

import keras
import numpy as np

import interp
from interp.attacks import TopKInterpretation, correct
from interp.attributions import InterpretationMaps
from interp.core.files import replacing
from interp.discrepancy import kendall_tau, top_k_overlap
from interp.report import attributions_figure

# Class activation maps need a model that ends in average pooling and one dense layer; "ig" works for any.
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(16, 4, 2, padding="same", activation="relu"),
        keras.layers.Conv2D(32, 4, 2, padding="same", activation="relu"),
        keras.layers.Conv2D(64, 7, padding="same"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10),
    ]
)
train, test = interp.data.load("digits", "train"), interp.data.load("digits", "test")
model.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(train.images, train.labels, epochs=25, batch_size=50, verbose=0)
images, labels = test.images[:100], test.labels[:100]

# Every pixel may change by 0.08; the attack pulls the 8 strongest positions of the map down. It does not hold the prediction, which
# may change: what is said of the maps is said of the images that are still classified correctly.
attack = TopKInterpretation(epsilon=0.08, step_size=0.008, steps=40, k=8, interpretation="cam")
attacked = attack(model, images, labels)

maps = InterpretationMaps(name="cam")
before, after = (maps(model, batch, labels[:, None])[:, 0] for batch in (images, attacked))
same = correct(model, images, labels) & correct(model, attacked, labels)
print(f"{same.sum()} of {len(labels)} images are classified correctly before and after the attack")
if not same.any():
    raise SystemExit("the attack changed every prediction, so nothing can be said of the maps: use a smaller epsilon")
flat = [each[same].reshape(same.sum(), -1) for each in (before, after)]
print(f"Kendall's tau of their maps: {np.nanmean(kendall_tau(*flat)):.2f} (1: nothing moved)")
print(f"shared among the 8 strongest positions: {top_k_overlap(*flat, 8).mean():.2f}")

shown = np.flatnonzero(same)[:6]
columns = {"map": before[shown][..., None], "map, attacked": after[shown][..., None]}
with replacing("gen_images/examples/attacked_explanations.png") as path:
    attributions_figure(attacked[shown], columns, [f"a {label}" for label in labels[shown]]).savefig(path, dpi=130)
print("wrote gen_images/examples/attacked_explanations.png")

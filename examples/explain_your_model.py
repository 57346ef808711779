"""Explain a Keras model of your own: which pixels does a prediction rest on, and can the explanation be believed?"""

import keras

import interp
from interp.attributions import GradCAM, GuidedBackprop, IntegratedGradients, SmoothGrad, VanillaGradient
from interp.core.files import replacing
from interp.evaluation import sanity_check
from interp.report import attributions_figure

# Any Keras model will do. This one ends in a softmax, which is cut: explanations are of logits.
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(16, 4, 2, padding="same", activation="relu"),
        keras.layers.Conv2D(32, 4, 2, padding="same", activation="relu"),
        keras.layers.Conv2D(64, 7, padding="same", name="features"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
train, test = interp.data.load("digits", "train"), interp.data.load("digits", "test")
model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(train.images, train.labels, epochs=25, batch_size=50, verbose=0)
print("test accuracy:", round(model.evaluate(test.images, test.labels, verbose=0)[1], 3))

# float32 images (n, height, width, channels) in [0, 1], and the class of each that is to be explained.
images, labels = test.images[:6], test.labels[:6]
methods = {
    "gradient": VanillaGradient(model),
    "smooth grad": SmoothGrad(VanillaGradient(model), samples=50, noise_level=0.15),
    "integrated gradients": IntegratedGradients(model, steps=256, tolerance=0.05),
    "guided backprop": GuidedBackprop(model),
    "grad cam": GradCAM(model, layer="features"),
}
maps = {name: method(images, labels) for name, method in methods.items()}
with replacing("gen_images/examples/explanations.png") as path:
    attributions_figure(images, maps, [f"a {label}" for label in labels]).savefig(path, dpi=130)
print("wrote gen_images/examples/explanations.png")

# What comes with the maps: the layer, and for integrated gradients the completeness gap and the points it took.
print("Grad-CAM looked at the layer", methods["grad cam"].explain(images, labels).layer)
print("points of integrated gradients:", methods["integrated gradients"].explain(images, labels).values["points"])

# An explanation that stays the same when the weights are random does not explain the model.
check = sanity_check(model, {"gradient": VanillaGradient, "guided backprop": GuidedBackprop}, images, labels)
for name, correlations in check.correlations.items():
    print(
        f"{name}: rank correlation {correlations[-1]} with all weights random, {'passes' if check.passes(name) else 'fails'}"
    )

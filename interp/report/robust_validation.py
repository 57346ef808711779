"""A Keras callback that measures the model under attack while it is trained."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks import ExplanationAttack, ProjectedGradientDescent, correct
from interp.attributions import Attribution, find_attribution, pixel_scores
from interp.core.batches import attack_batch, forward_batch
from interp.core.checks import check_images, check_instance, check_labels, check_number, check_radius
from interp.core.errors import InputError, check_choice
from interp.core.files import check_writable
from interp.core.map_strip import png_of_strips
from interp.core.names import STRENGTHS
from interp.evaluation import StrongProtocol, validity
from interp.models.model_check import find_facts
from interp.training.robust_model import RobustModel

PGD = "pgd"
PROTOCOLS = (PGD, *reversed(STRENGTHS))
# Of PGD, and of the search that moves maps beside it; their steps cover the ball two and a half times.
STEPS = 10
REACH = 2.5


class RobustValidation(keras.callbacks.Callback):
    """Measures the model under attack at the ends of epochs and puts the figures into `logs`, as if Keras had measured them.

    It adds val_clean_accuracy, val_PROTOCOL_accuracy (the accuracy under attack) and, with an `explanation`, val_PROTOCOL_tau: the mean
    Kendall tau between the maps of clean and attacked images whose prediction the attack had to keep, NaN where no image is classified
    right. So History, CSVLogger, ModelCheckpoint, EarlyStopping and TensorBoard see them, and so do callbacks of other libraries that
    read `logs`, such as `wandb.integration.keras.WandbMetricsLogger` and `mlflow.keras.MlflowCallback`; give this one before those. The
    attack is compiled once. Between measured epochs `logs` hold the latest figures.

    Args:
        images: float32 (n, height, width, channels) in [0, 1], for validation.
        labels: Integers (n,), the true classes.
        epsilon: Radius of the ball, for images in [0, 1]; above 0, in linf at most 1.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).
        protocol: "pgd" takes ten steps from a random start, and shows progress rather than robustness; "quick" and "strong" are the
            protocols of `interp.evaluation.validity`, which take many times as long.
        every: Measures the first epoch, then each time so many epochs have passed, and the last one.
        explanation: The explanation method whose maps are attacked too, by name or as an object (default: none).
        keep_best: At the end of the training the model gets the weights of the measured epoch with the highest accuracy under attack, of
            several the one with the highest clean accuracy.
        network: What is measured, if not the model that is fitted, or the `network` of a RobustModel: for a model that does not take images
            in [0, 1], `interp.models.adapt` of it, which has the same weights.
        log_dir: A directory of TensorBoard for pictures of the first eight images, clean and attacked, and their maps; with an
            `explanation` (default: none).
        seed: Seed of all random draws; the same in each epoch, so that epochs are compared on the same draws.

    Raises:
        InputError: An argument is not as described; at the start of the training, the model does not fit the images.

    Example:
        ```python
        robust = interp.RobustValidation(images, labels, 8 / 255, explanation="grad_cam", keep_best=True)
        best = keras.callbacks.ModelCheckpoint("best.keras", monitor="val_pgd_accuracy", mode="max", save_best_only=True)
        model.fit(train_images, train_labels, epochs=20, callbacks=[robust, best, WandbMetricsLogger()])
        ```
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        epsilon: float,
        *,
        norm: str = "linf",
        protocol: str = PGD,
        every: int = 1,
        explanation: str | Attribution | None = None,
        keep_best: bool = False,
        network: keras.Model | None = None,
        log_dir: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        batch = check_images(images)
        self.images, self.labels = batch.numpy(), check_labels(labels, batch).numpy()
        check_radius("epsilon", epsilon, norm)
        check_number("epsilon", epsilon, minimum=0, strict=True)
        check_number("every", every, minimum=1, whole=True)
        check_number("seed", seed, minimum=0, whole=True)
        if network is not None:
            check_instance("network", network, keras.Model, "interp.models.adapt(model, scale='0..255')")
        self.epsilon, self.protocol, self.every = epsilon, check_choice("protocol", protocol, PROTOCOLS), every
        self.keep_best, self.seed = keep_best, seed
        self.history: list[dict[str, float]] = []
        self._first = 0
        self._given = network
        self._batch = attack_batch(self.images.shape[1:])
        step_size = REACH * epsilon / STEPS
        self._pgd = ProjectedGradientDescent(
            epsilon=epsilon, step_size=step_size, steps=STEPS, norm=norm, random_start=True, iterate="first"
        )
        self._strong = (
            None if protocol == PGD else StrongProtocol(norm=norm, strength=protocol, step_size=step_size / 2)
        )
        self._maps: ExplanationAttack | None = None
        if explanation is not None:
            short: dict[str, Any] = {"steps": STEPS, "restarts": 1, "queries": 0} if protocol == PGD else {}
            self._maps = ExplanationAttack(
                epsilon=epsilon, norm=norm, explanation=explanation, measures=["kendall_tau"], **short
            )
        self._writer: Any = None
        if log_dir is not None:
            if explanation is None:
                raise InputError(
                    "log_dir came without an explanation, whose maps it is for: give both, or leave it out"
                )
            check_writable(Path(log_dir))
            self._log_dir = str(Path(log_dir) / "maps")
        self._has_pictures = log_dir is not None
        self._best: list[np.ndarray] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew; raises InputError where the model does not fit the images."""
        self.history, self._best = [], []
        network = self._network()
        # Labels that the model has no classes for would else be told after an epoch.
        ends = [self.labels.argmin(), self.labels.argmax()]
        try:
            correct(network, self.images[ends], self.labels[ends])
        except InputError as error:
            if self._given is None and find_facts(network).expects_another_range:
                raise InputError(
                    "the model scales its images itself and takes another range than [0, 1]: keep the images of RobustValidation "
                    "in [0, 1], and give it network=interp.models.adapt(model, scale='0..255'), which has the same weights"
                ) from error
            raise

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure where it is due, and add the figures to `logs`."""
        is_last = epoch + 1 == (self.params or {}).get("epochs")
        if not self.history:
            # `fit` may begin with a later epoch than 0.
            self._first = epoch
        if (epoch - self._first) % self.every == 0 or is_last:
            self.history.append(self._measure(epoch))
            if self.keep_best and self._judged(self.history[-1]) > max(
                map(self._judged, self.history[:-1]), default=()
            ):
                self._best = self.model.get_weights()
        if logs is not None:
            logs.update(self.history[-1])

    def on_train_end(self, logs: Any = None) -> None:
        """Give the model its best weights, where that was asked for."""
        if self._best:
            self.model.set_weights(self._best)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _network(self) -> keras.Model:
        if self._given is not None:
            return self._given
        return self.model.network if isinstance(self.model, RobustModel) else self.model

    def _judged(self, figures: dict[str, float]) -> tuple[float, float]:
        return figures[f"val_{self.protocol}_accuracy"], figures["val_clean_accuracy"]

    def _measure(self, epoch: int) -> dict[str, float]:
        network = self._network()
        settings: dict[str, Any] = {"seed": self.seed, "batch_size": self._batch}
        clean = correct(network, self.images, self.labels, batch_size=forward_batch(self.images.shape[1:]))
        figures = {
            "val_clean_accuracy": float(clean.mean()),
            f"val_{self.protocol}_accuracy": self._attacked(network, clean, settings),
        }
        if self._maps is not None:
            figures[f"val_{self.protocol}_tau"] = self._tau(network, self._maps, np.flatnonzero(clean), settings, epoch)
        return figures

    def _attacked(self, network: keras.Model, clean: np.ndarray, settings: dict[str, Any]) -> float:
        """Accuracy under the attack."""
        if self._strong is not None:
            found = validity(network, self.images, self.labels, [self.epsilon], self._strong, **settings)
            if not found.rows:
                raise InputError(found.flags[0].text)
            return found.rows[0].worst_case
        if not clean.any():
            return 0.0
        images, labels = self.images[clean], self.labels[clean]
        moved = self._pgd(network, images, labels, **settings)
        return float(correct(network, moved, labels, batch_size=self._batch).sum() / len(clean))

    def _tau(
        self, network: keras.Model, attack: ExplanationAttack, rows: np.ndarray, settings: dict[str, Any], epoch: int
    ) -> float:
        """Mean Kendall tau of the maps of the images `rows`, which are classified right, in the worst case that was found."""
        if not len(rows):
            return float("nan")
        images, labels = self.images[rows], self.labels[rows]
        found = attack.run(network, images, labels, **settings)
        (title,) = found.values
        if self._has_pictures:
            self._draw(network, attack, images[:8], found.adversarial[title][:8], labels[:8], epoch)
        taus = found.values[title][~np.isnan(found.values[title])]
        return float(taus.mean()) if len(taus) else float("nan")

    def _draw(
        self,
        network: keras.Model,
        attack: ExplanationAttack,
        clean: np.ndarray,
        moved: np.ndarray,
        labels: np.ndarray,
        epoch: int,
    ) -> None:
        """Write images and maps, clean and attacked beside each other, a row an image, for TensorBoard."""
        explain = find_attribution(attack.explanation).with_model(network)
        maps = [pixel_scores(explain(images, labels)) for images in (clean, moved)]
        rows = [
            [(image, None), (image, first), (other, None), (other, second)]
            for image, first, other, second in zip(clean, maps[0], moved, maps[1], strict=True)
        ]
        picture = tf.io.decode_png(png_of_strips(rows))
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._log_dir)
        with self._writer.as_default(step=epoch):
            tf.summary.image("clean image, its map, attacked image, its map", picture[None])
            self._writer.flush()

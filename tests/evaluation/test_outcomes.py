"""Images in blocks: joined they are one result, that of calls of their own, and no two attacks draw alike."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import Square
from interp.attacks.attack import Attack
from interp.core.batches import attack_blocks
from interp.data import Dataset
from interp.data.pixels import ScaledPixels
from interp.evaluation import StrongAccuracy, StrongProtocol, Validity, sample_images, validity
from interp.evaluation.outcomes import Outcomes, RadiusOutcomes, joined
from interp.evaluation.strong_attacks import attack_block
from interp.evaluation.validity import _block_seed, judged
from tests.evaluation.toy_protocol import PROTOCOL, RADII


def block(right, broken_by, seconds, *, clean, change=0.0):
    """Outcomes of two images at one radius, of attacks by name."""
    at = RadiusOutcomes(0.1, {name: np.array(values) for name, values in right.items()}, seconds, np.array(broken_by))
    clean = np.array(clean)
    return Outcomes(np.array([0, 1]), np.eye(2), clean, ~clean, change, change > 0, (at,))


def test_blocks_joined_by_hand():
    """The second block was broken before its ensemble ran, so nothing of it is right after that; seconds add up."""
    attacks = ("PGD", "any iterate", "more steps", "random start", "random starts", "then APGD-CE", "then Square")
    first = block(
        {**{name: [True, True] for name in attacks}, "ensemble FAB-T": [True, False]},
        ["", "ensemble FAB-T"],
        {"PGD": 1.0, "ensemble FAB-T": 0.5},
        clean=[True, True],
    )
    second = block({name: [False, False] for name in attacks}, ["clean", "PGD"], {"PGD": 2.0}, clean=[False, True])
    found = joined([first, second])
    [at] = found.radii
    assert at.right["ensemble FAB-T"].tolist() == [True, False, False, False]
    assert at.seconds == {"PGD": 3.0, "ensemble FAB-T": 0.5}
    assert at.broken_by.tolist() == ["", "ensemble FAB-T", "clean", "PGD"]
    result = judged(found, PROTOCOL)
    assert (result.count, result.clean_accuracy) == (4, 0.75)
    [row] = result.rows
    assert (row.accuracies["PGD"], row.accuracies["ensemble FAB-T"], row.worst_case) == (0.5, 0.25, 0.25)
    assert "random start" not in row.accuracies
    assert result.predictions == (0, 1, 0, 1)
    assert not joined([first, second]).draws
    assert joined([first, dataclasses.replace(second, change=0.3, draws=True)]).change == 0.3


def test_an_ensemble_that_had_nothing_left_shows_the_worst_case():
    """At radius 0 nothing is attacked and one accuracy counts; at 0.2 PGD left 0.4, and Square nothing for the ensemble."""
    rows = (
        StrongAccuracy(0.0, 5, {"PGD": 0.8}, 0.8, ()),
        StrongAccuracy(0.1, 5, {"PGD": 0.6, "then Square": 0.6, "ensemble FAB-T": 0.2}, 0.2, ()),
        StrongAccuracy(0.2, 5, {"PGD": 0.4, "then Square": 0.0}, 0.0, ()),
    )
    found = Validity("by hand", rows, (), 5)
    assert found.columns()["ensemble FAB-T"] == [0.8, 0.2, 0.0]
    assert [row["ensemble FAB-T"] for row in found.leaderboard()] == [80.0, 20.0, 0.0]


def test_rows_of_blocks():
    assert [(rows.start, rows.stop) for rows in attack_blocks(1100, (28, 28, 1))] == [
        (0, 500),
        (500, 1000),
        (1000, 1100),
    ]
    assert attack_blocks(500, (32, 32, 3)) == [slice(0, 500)]
    # Four images of this size at a time, eight times.
    assert attack_blocks(40, (224, 224, 3))[0] == slice(0, 32)


def test_seeds_of_blocks():
    """The first block draws as a call on these images alone; no two blocks, and no two seeds, draw alike."""
    assert _block_seed(99, 0) == 99
    seeds = {_block_seed(seed, first) for seed in (0, 1, 99) for first in range(500, 10_000, 500)}
    assert len(seeds) == 3 * 19
    assert max(seeds) < 2**30


@pytest.mark.integration
def test_no_two_attacks_draw_alike(monkeypatch):
    """Of a network that nothing breaks: starts of PGD and APGD, and what Square draws, the ensemble's included."""
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.set_weights([np.eye(4, 3, dtype=np.float32), np.array([9, 0, 0], np.float32)])
    images = np.full((2, 2, 2, 1), 0.5, np.float32)
    drawn = {"starts": [], "keys": []}
    search = Attack.search

    def noted(attack, model, arrays, *settings):
        if isinstance(attack, Square):
            drawn["keys"].append(arrays[4].numpy())
        elif not np.array_equal(arrays[3], images) and arrays[3].shape == images.shape:
            drawn["starts"].append(arrays[3].numpy())
        return search(attack, model, arrays, *settings)

    monkeypatch.setattr(Attack, "search", noted)
    protocol = StrongProtocol(steps=1, restarts=3, queries=1)
    settings = {"seed": 0, "batch_size": 2, "report": list, "change": 0.0, "draws": False}
    found = attack_block(model, images, np.zeros(2, int), [0.1], protocol, **settings)
    assert (found.radii[0].broken_by == "").all()
    # Three of PGD, those of APGD-CE and APGD-DLR, and the ensemble's APGD-CE; Square and the ensemble's three.
    for name, count in (("starts", 6), ("keys", 4)):
        assert len(drawn[name]) == len({each.tobytes() for each in drawn[name]}) == count


@pytest.mark.integration
def test_blocks_are_those_of_calls_of_their_own(toy, blocks_of_four):
    model, images, labels = toy
    ticks = []
    found = validity(model, images, labels, RADII, PROTOCOL, seed=7, report=lambda: ticks.append(None))
    assert len(ticks) == 3 * len(RADII)
    parts = [
        attack_block(
            model,
            images[first : first + 4],
            labels[first : first + 4],
            RADII,
            PROTOCOL,
            seed=_block_seed(7, first),
            batch_size=2,
            report=list,
            change=0.0,
            draws=False,
        )
        for first in (0, 4, 8)
    ]
    assert judged(joined(parts), PROTOCOL) == found
    for again in (parts[0], joined(parts)):
        assert judged(Outcomes.from_arrays(again.to_arrays()), PROTOCOL) == judged(again, PROTOCOL)


@keras.saving.register_keras_serializable("tests")
class NoiseOnBrightImages(keras.layers.Layer):
    """Adds to three logits what is drawn at each call, where the first pixel is bright."""

    def call(self, inputs):
        images, logits = inputs
        bright = tf.cast(images[:, 0, 0] > 0.5, tf.float32)
        return logits + 0.1 * bright * tf.random.normal(tf.shape(logits))


@pytest.mark.integration
def test_all_blocks_have_the_members_for_a_model_that_draws(blocks_of_four, tmp_path):
    """A network that nothing breaks draws on the images of the second block alone, and nothing is kept of the first."""
    images = keras.Input((2, 2, 1))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(images))
    model = keras.Model(images, NoiseOnBrightImages()([images, logits]))
    model.set_weights([np.eye(4, 3, dtype=np.float32), np.array([9, 0, 0], np.float32)])
    shown = np.repeat(np.array([0.2, 0.8], np.float32), 4)[:, None, None, None] * np.ones((8, 2, 2, 1), np.float32)
    protocol = StrongProtocol(steps=1, restarts=1, queries=1)
    found = validity(model, shown, np.zeros(8, int), [0.1], protocol, folder=tmp_path)
    [row] = found.rows
    members = {name: value for name, value in row.accuracies.items() if name.startswith("ensemble")}
    assert members == {"ensemble APGD-CE": 1.0, "ensemble APGD-DLR": 1.0}
    assert row.worst_case == 1.0
    assert [flag.kind for flag in found.flags] == ["random output"]
    assert not list(tmp_path.iterdir())


def test_a_sample_of_images_on_disk_stays_there(toy):
    """Rows of a sample are those of the images loaded at once."""
    _, pixels, labels = toy
    stored = {"labels": labels.astype(np.int64), "class_names": ("a", "b", "c"), "source": "toy", "split": "test"}
    lazy, loaded = (
        sample_images(Dataset(images=images, name="toy", **stored), 6, seed=2)[0]
        for images in (pixels, np.asarray(pixels))
    )
    assert isinstance(lazy.images, ScaledPixels)
    np.testing.assert_array_equal(lazy.images[2:4], loaded.images[2:4])
    assert lazy.labels.tolist() == loaded.labels.tolist()

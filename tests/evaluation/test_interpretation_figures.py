"""Figures of attacks on interpretations: by hand, what they rest on, and the paper's."""

import dataclasses

import keras
import numpy as np
import pytest

from interp import data
from interp.attacks import InterpretabilitySneaking, MinimumEpsilon, TopKInterpretation
from interp.attributions import InputXGradient, IntegratedGradients, InterpretationMaps, SmoothGrad
from interp.core.errors import InputError
from interp.discrepancy import kendall_tau
from interp.evaluation import (
    Sneaking,
    agreement_curve,
    agreement_under_attack,
    bound_check,
    overlap_of_networks,
    sample_images,
    sneaking,
)
from interp.evaluation.agreement_under_attack import flat_as_ranked
from interp.models import build_network, load_model
from tests.evaluation.linear_toy import linear

MINIMUM = MinimumEpsilon(rounds=6, steps=10)
ATTACK = InterpretabilitySneaking(rounds=4, steps=6)


@pytest.fixture(scope="module")
def net():
    network = build_network("small", (28, 28, 1), 4)
    network.layers[-1].kernel.assign(4 * network.layers[-1].kernel)
    return network


@pytest.mark.parametrize(
    ("steps", "direction", "flagged"),
    # By sign .2 x (1 + 7/8 + ... + 1/8) = .9 radii, and 1.0 with one step more.
    [(8, "sign", True), (9, "sign", False), (4, "reference", True), (5, "reference", False), (20, "sign", False)],
)
def test_searches_that_cannot_cross_a_radius_are_named(net, images, labels, steps, direction, flagged):
    targets = (labels + 1) % 4
    minimum = dataclasses.replace(MINIMUM, steps=steps, direction=direction, rounds=1)
    attack = dataclasses.replace(ATTACK, steps=steps, direction=direction, rounds=1)
    few = images[:1], labels[:1], targets[:1]
    for found in (bound_check(net, *few, minimum), sneaking(net, *few, attack, minimum, [1.5])):
        assert [flag.kind for flag in found.flags] == ["weak attack"] * flagged
        if flagged:
            assert f"take {9 if direction == 'sign' else 5} steps or more" in found.flags[0].text


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).rand(8, 28, 28, 1).astype(np.float32)


@pytest.fixture(scope="module")
def labels(net, images):
    return np.argmax(net(images), -1)


def result(discrepancies, epsilons):
    discrepancies, epsilons = np.array(discrepancies, float), np.array(epsilons, float)
    return Sneaking(
        5,
        3,
        1,
        (1.0, 2.0)[: len(discrepancies)],
        np.arange(discrepancies.shape[1]),
        epsilons,
        discrepancies,
        discrepancies,
        discrepancies,
        None,
    )


def test_slope_and_mean_by_hand():
    """First image: (4 - 3) * .1 / ((.2 - .1) * 4) = .25; second: (2 - 2) = 0."""
    found = result([[4, 2], [3, 2]], [[0.1, 0.2], [0.2, 0.4]])
    assert found.slope.value == pytest.approx(0.125)
    assert found.discrepancy.value == pytest.approx((3.5 + 2) / 2)


def test_a_slope_over_one_radius_is_undefined():
    assert result([[4, 2]], [[0.1, 0.2]]).slope.value is None
    nothing = Sneaking(5, 0, 0, (1.5,), np.zeros(0, int), *(np.zeros((1, 0)) for _ in range(4)), None)
    assert (str(nothing.discrepancy), str(nothing.slope)) == ("none qualified", "none qualified")


@pytest.mark.integration
@pytest.mark.parametrize("interpretation", ["cam", "ig"])
def test_discrepancies_do_not_rise_with_the_radius(net, images, labels, interpretation):
    attack = dataclasses.replace(ATTACK, interpretation=interpretation, direction="reference")
    found = sneaking(net, images, labels, (labels + 1) % 4, attack, MINIMUM, (2.0, 1.2, 1.5, 1.2))
    assert found.penalties == (1.2, 1.5, 2.0)
    assert len(found.qualified)
    assert (np.diff(found.discrepancies, axis=0) <= 0).all()
    assert np.isfinite(found.discrepancies).all()
    np.testing.assert_allclose(found.epsilons[2] / found.epsilons[0], 2 / 1.2, rtol=1e-5)
    # The picture of each point is the one that its figure is of.
    assert (np.abs(found.adversarial - images[found.qualified]).max((2, 3, 4)) <= found.epsilons + 1e-6).all()


def test_images_that_prefer_their_target_drop_out(net, images, labels):
    targets = (labels + 1) % 4
    claimed = np.where(np.arange(8) < 3, targets, labels)
    wanted = np.where(np.arange(8) < 3, labels, targets)
    found = sneaking(net, images, claimed, wanted, ATTACK, MINIMUM, (1.5,))
    assert found.preferring == 3
    assert found.qualified.min() >= 3
    everything = sneaking(net, images, targets, labels, ATTACK, MINIMUM, (1.5,))
    assert len(everything.qualified) == 0
    assert str(everything.discrepancy) == "none qualified"
    assert [str(mean) for mean in everything.at(everything.kendall_taus)] == ["none qualified"]


@pytest.mark.integration
def test_random_draws_of_a_map_are_those_that_the_attack_saw():
    """The first image prefers its target, so the second stands first among those that qualify: its noise stays that of the second."""
    model = linear(np.array([1.0, -2.0, 3.0, 0.5]), (2, 2, 1))
    method = SmoothGrad(InputXGradient(), samples=2, noise_level=0.5)
    pictures = np.array([[0.1, 0.9, 0.1, 0.1], [0.9, 0.5, 0.3, 0.2]], np.float32).reshape(2, 2, 2, 1)
    attack = InterpretabilitySneaking(interpretation=method, classes="one_class", rounds=2, steps=9)
    labels, targets = np.zeros(2, int), np.ones(2, int)
    found = sneaking(model, pictures, labels, targets, attack, MinimumEpsilon(rounds=6, steps=9), (1.5,))
    assert found.qualified.tolist() == [1]
    maps = InterpretationMaps(name=method)
    clean, moved = (
        maps.flat(model, points, labels[:, None])[1, 0]
        for points in (pictures, np.stack([pictures[0], found.adversarial[0, 0]]))
    )
    expected = np.abs(moved - clean).sum() / np.ptp(clean)
    assert found.discrepancies[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("penalties", [(), (0.9,), (1.5, float("nan")), (1e9,)])
def test_bad_penalties(net, images, labels, penalties):
    with pytest.raises(InputError, match="penalt"):
        sneaking(net, images, labels, (labels + 1) % 4, ATTACK, MINIMUM, penalties)


def test_smallest_radii_in_l2_have_the_bound_and_no_sneaking_attacks(net, images, labels):
    """The bound speaks of any image at the target; sneaking attacks take radii in linf."""
    minimum, targets = dataclasses.replace(MINIMUM, norm="l2"), (labels + 1) % 4
    found = bound_check(net, images, labels, targets, minimum)
    assert (len(found.broken), found.below_margin) == (8, 0)
    assert found.protocol == f"cam, two_class, l1, radii in l2, direction sign, {minimum.steps} steps a round"
    assert (found.epsilons > bound_check(net, images, labels, targets, MINIMUM).epsilons).all()
    with pytest.raises(InputError, match="sneaking attacks take those in linf"):
        sneaking(net, images, labels, targets, ATTACK, minimum, (1.5,))


@pytest.mark.parametrize("interpretation", ["cam", "ig"])
def test_the_bound_holds(net, images, labels, interpretation):
    found = bound_check(net, images, labels, (labels + 1) % 4, MINIMUM, interpretation=interpretation)
    assert len(found.broken)
    assert (found.margins > 0).all()
    if interpretation == "cam":
        assert found.below_margin == 0
        assert (found.discrepancies >= found.margins - 1e-4).all()


@pytest.mark.integration
def test_other_discrepancies_have_no_bound(net, images, labels):
    for options in (
        {"classes": "one_class"},
        {"discrepancy_norm": "l2"},
        {"interpretation": "cam++"},
        {"interpretation": IntegratedGradients(steps=2, baseline="mean")},
        {"interpretation": IntegratedGradients(steps=2, baseline="blur")},
        {"interpretation": IntegratedGradients(steps=2, softplus=20.0)},
    ):
        found = bound_check(net, images[:2], labels[:2], (labels[:2] + 1) % 4, MINIMUM, **options)
        assert found.below_margin is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": "three_class"}, "unknown class selection 'three_class'"),
        ({"discrepancy_norm": "l3"}, "unknown discrepancy norm 'l3'"),
        ({"targets": [0, 1]}, "a target is the true class of its image"),
    ],
)
def test_settings_of_the_bound_are_checked_before_the_search(net, images, options, said):
    """The search, which comes later, would refuse the seed."""
    arguments = {"targets": [1, 2], "seed": -1, **options}
    with pytest.raises(InputError, match=said):
        bound_check(net, images[:2], [0, 1], attack=MINIMUM, **arguments)


def test_given_radii_are_checked(net, images, labels):
    targets = (labels + 1) % 4
    smallest = MINIMUM(net, images, targets)
    assert smallest.broken.any()
    place = int(np.flatnonzero(smallest.broken)[0])
    half = np.where(np.arange(8) == place, smallest.epsilons / 2, smallest.epsilons)
    for given, said in (
        ((smallest.adversarial, smallest.epsilons), "smallest came as .*tuple"),
        (dataclasses.replace(smallest, epsilons=half[:4]), r"epsilons of shape \(4,\), expected \(8,\)"),
        (
            dataclasses.replace(smallest, adversarial=smallest.adversarial[:, :14]),
            r"adversarial of shape \(8, 14, 28, 1\)",
        ),
        (dataclasses.replace(smallest, epsilons=half), f"from image {place} in linf and a radius of"),
    ):
        with pytest.raises(InputError, match=said):
            sneaking(net, images, labels, targets, ATTACK, MINIMUM, (1.5,), smallest=given)
    with pytest.raises(InputError, match="a target is the true class"):
        sneaking(net, images, labels, labels, ATTACK, MINIMUM, (1.5,))


def test_a_representation_is_divided_by_its_positions_not_by_its_channels(net, images, labels):
    options = {"classes": "one_class", "interpretation": "representation"}
    found = bound_check(net, images[:2], labels[:2], (labels[:2] + 1) % 4, MINIMUM, **options)
    smallest = MINIMUM(net, images[:2], (labels[:2] + 1) % 4)
    moved = np.abs(net.features(smallest.adversarial) - net.features(images[:2]))
    np.testing.assert_allclose(found.discrepancies, moved.sum((1, 2, 3)) / 49, rtol=1e-4)


def test_nothing_broken_is_said():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.zeros((1, 2), np.float32), np.array([5, 0], np.float32)])
    images = np.full((3, 4, 4, 1), 0.5, np.float32)
    found = bound_check(model, images, np.zeros(3, int), np.ones(3, int), MINIMUM)
    assert (len(found.broken), found.below_margin) == (0, 0)
    assert str(found.margin) == str(found.epsilon) == "none qualified"


@pytest.mark.integration
def test_agreement_rests_on_images_that_kept_their_prediction(net, images, labels):
    attack = TopKInterpretation(epsilon=0.05, steps=5)
    found = agreement_under_attack(net, images, labels, attack)
    assert 0 < found.unchanged <= found.count == 8
    assert found.kendall_tau.count == found.unchanged
    assert found.kendall_tau_of_all.count == 8
    still = agreement_under_attack(net, images, labels, dataclasses.replace(attack, epsilon=0.0))
    assert still.unchanged == 8
    assert still.kendall_tau.value == pytest.approx(1)
    assert still.top_k_overlap.value == 1


def test_maps_are_compared_as_the_attack_reads_them():
    """Two positions of three channels, and two of none."""
    maps = np.array([[[[2.0, -1, -1], [0, 0, 1]]]])
    assert flat_as_ranked(maps, "signed").tolist() == [[2, -1, -1, 0, 0, 1]]
    assert flat_as_ranked(maps, "magnitude").tolist() == [[4, 1]]
    assert flat_as_ranked(np.array([[[-2.0, 1]]]), "magnitude").tolist() == [[2, 1]]


@pytest.mark.integration
def test_magnitudes_under_attack(net, images, labels):
    attack = TopKInterpretation(epsilon=0.05, steps=3, interpretation="gradient", ranking="magnitude")
    found = agreement_curve(net, images, labels, attack, [0.05])
    moved = attack(net, images, labels)
    maps = [
        np.abs(InterpretationMaps(name="gradient")(net, points, labels[:, None])[:, 0]).sum(-1).reshape(8, -1)
        for points in (images, moved)
    ]
    assert found.rows[0].kendall_tau_of_all.value == pytest.approx(kendall_tau(*maps).mean())
    assert "top-8 attack on magnitudes of gradient from" in found.protocol


def test_networks_overlap_with_themselves(net, images, labels):
    assert overlap_of_networks(net, net, images, labels).value == 1
    other = overlap_of_networks(net, build_network("small", (28, 28, 1), 4, seed=1), images, labels)
    assert 0 <= other.value < 1
    coarse = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(3, 4, strides=4),
            keras.layers.MaxPooling2D(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )
    with pytest.raises(InputError, match="positions"):
        overlap_of_networks(net, coarse, images, labels, k=4)
    with pytest.raises(InputError, match="k came as 50"):
        overlap_of_networks(net, net, images, labels, k=50)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("method", "epsilon", "expected"), [("normal", 0.1, 0.799), ("int", 0.1, 0.968), ("int", 0.3, 0.913)]
)
def test_published_agreement(reference_dir, data_dir, method, epsilon, expected):
    sample, _ = sample_images(data.load("mnist", "test", data_dir=data_dir), 200)
    network = load_model(reference_dir / "networks" / f"mnist_smallgap_{method}_100.pkl")
    found = agreement_under_attack(network, sample.images, sample.labels, TopKInterpretation(epsilon=epsilon), seed=99)
    assert found.kendall_tau.value == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    ["normal", "adv", "trades", "int", "intadv", "intone", "int2", "int2adv", "ig", "igsum", "intig", "intigadv"],
)
def test_the_bound_holds_on_published_networks(reference_dir, data_dir, method):
    """And at least 95 of every 100 images are broken below eps 1."""
    sample, targets = sample_images(data.load("mnist", "test", data_dir=data_dir), 200)
    network = load_model(reference_dir / "networks" / f"mnist_smallgap_{method}_100.pkl")
    found = bound_check(network, sample.images, sample.labels, targets, MinimumEpsilon(), seed=99)
    assert len(found.broken) >= 190
    assert (found.epsilons < 1).all()
    assert found.below_margin == 0


@pytest.mark.integration
def test_a_model_without_such_maps_is_refused_even_where_nothing_is_broken(images):
    constant = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(4, kernel_initializer="zeros")]
    )
    constant.layers[-1].bias.assign([9.0, 0.0, 0.0, 0.0])
    truth, targets = np.zeros(8, int), np.ones(8, int)
    assert bound_check(constant, images, truth, targets, MINIMUM, interpretation="ig").epsilon.count == 0
    with pytest.raises(InputError, match=r"or integrated gradients"):
        bound_check(constant, images, truth, targets, MINIMUM)
    with pytest.raises(InputError, match=r"or integrated gradients"):
        sneaking(constant, images, truth, targets, ATTACK, MINIMUM, (1.5,))

"""The numbered scripts train exactly the paper's networks."""

from dataclasses import replace

import numpy as np
import pytest

from interp.commands.train import parse
from interp.commands.training_jobs import recipe_job
from interp.core.errors import InputError
from interp.core.names import METHODS, OBJECTIVE_TAGS
from interp.core.network_name import parse_name
from interp.data import find_dataset, load
from interp.training import describe, with_cross_entropy_attack, with_explanation
from interp.training.profiles import PROFILES, attacked_in, for_epochs, on_dataset, with_norm, with_profile
from interp.training.recipes import DESCRIPTIONS, choose, recipes


def names(number):
    return [row.name for row in recipes(number)]


def test_numbers_one_to_four():
    assert names(1)[:6] == [
        f"mnist_smallgap_{tag}_100" for tag in ("normal", "adv", "trades", "int", "intadv", "intone")
    ]
    assert {name.rsplit("_", 2)[0] for name in names(1)} == {"mnist_smallgap", "mnist_pool", "cifar_smallgap"}
    assert len(names(1)) == 18
    assert len(names(2)) == 8
    assert "cifar_smallgap_intigadv_200" in names(3)
    assert "cifar_wresnet_intone_200" in names(3)
    assert len(names(3)) == 10
    assert names(4)[-1] == "cifar_wresnet_int2adv_200"
    assert len(names(4)) == 8


def test_numbers_five_to_eight():
    assert names(5)[0] == "restimagenet_wresnet_normal_35"
    assert len(names(5)) == 7
    assert {row.objective for row in recipes(6)} == set(OBJECTIVE_TAGS)
    assert all(row.schedule.epochs == 1 and row.schedule.ramp == (0, 0) for row in recipes(6))
    grid = {row.name: row for row in recipes(7)}
    assert len(grid) == 36
    assert grid["mnist_smallgap_int005_2_100"].penalty_weight == 0.005
    assert grid["mnist_smallgap_int005_2_100"].schedule.epsilon == 0.2
    assert grid["cifar_smallgap_adv_6_200"].schedule.epsilon == 6 / 255
    assert [row.architecture for row in recipes(8)] == ["simple_cnn", "simple_cnn"]
    assert [row.augment for row in recipes(8)] == [False, True]


@pytest.mark.parametrize("number", DESCRIPTIONS)
def test_names_are_read_as_they_were_written(number):
    for row in recipes(number):
        for explanation in (None, *METHODS, "ig", "cam++", "smooth_grad_var:grad_cam++"):
            changed = replace(row, explanation=explanation)
            assert parse_name(changed.name) == changed.network_name
            assert changed.name == f"{changed.network_name.unnumbered}_{row.schedule.epochs}"


@pytest.mark.parametrize("number", DESCRIPTIONS)
def test_names_are_unique_in_every_profile(number):
    for profile in PROFILES:
        rows = [with_profile(row, profile) for row in recipes(number)]
        assert len({row.name for row in rows}) == len(rows)


def test_profiles_keep_the_radius():
    for number in (1, 2, 4, 7):
        for paper in recipes(number):
            cpu, smoke = with_profile(paper, "cpu"), with_profile(paper, "smoke")
            assert with_profile(paper, "paper") == paper
            assert cpu.schedule.epsilon == smoke.schedule.epsilon == paper.schedule.epsilon
            assert smoke.images == 200


def test_smoke_takes_fewer_images_where_they_are_large():
    for row in recipes(5):
        smoke = with_profile(row, "smoke")
        assert (smoke.images, smoke.schedule.batch_size) == (16, 4)


def test_the_cpu_profile_is_short_and_reaches_beyond_the_radius():
    rows = {row.name: row.schedule for row in (with_profile(row, "cpu") for row in [*recipes(1), *recipes(2)])}
    adv, slow = rows["mnist_smallgap_adv_20"], rows["mnist_smallgap_intig_2"]
    assert adv.learning_rates == ((0, 2e-3), (13_200, 2e-4))
    assert adv.ramp == slow.ramp == (220, 2_200)
    weights = {row.objective: row.penalty_weight for row in (with_profile(row, "cpu") for row in recipes(2))}
    assert weights == {"ig": 0.02, "igsum": 0.02, "intig": None, "intigadv": None}
    assert adv.attack_steps * adv.attack_step_size == pytest.approx(2.5 * 0.3)


def test_the_cpu_profile_leaves_what_was_not_measured():
    for number in (5, 6):
        assert all(with_profile(row, "cpu") == row for row in recipes(number))


def pairs(number, change):
    return [(row, change(row)) for row in recipes(number)]


def test_rows_are_chosen_by_old_and_new_names_with_or_without_epochs():
    rows = pairs(1, lambda row: with_profile(row, "cpu"))
    for name in ("mnist_pool_int", "mnist_pool_int_100", "mnist_pool_int_2"):
        assert [row.name for row in choose(rows, [name])] == ["mnist_pool_int_2"]
    assert len(choose(rows, None)) == 18
    assert len(choose(rows, ["mnist_pool_int", "mnist_pool_int_100"])) == 1
    with pytest.raises(InputError, match="did you mean 'mnist_pool_int_2'"):
        choose(rows, ["mnist_pool_imt"])


def test_rows_that_options_make_alike_are_trained_as_the_first_of_them():
    rows = choose(pairs(6, lambda row: on_dataset(row, "digits")), None)
    small = [row for row in rows if row.architecture == "small"]
    assert len(small) == len(OBJECTIVE_TAGS)
    assert {row.schedule.epsilon for row in small} == {0.3}
    assert [row.augment for row in choose(pairs(8, lambda row: on_dataset(row, "digits")), None)] == [False, False]


def test_networks_of_the_dataset_that_is_asked_for_keep_their_own_schedule():
    """Those of MNIST, taken to CIFAR-10 at eps 0.3, have the same names."""
    own = {row.name: row for row in recipes(1) if row.dataset == "cifar"}
    _, rows = parse(["1", "--dataset", "cifar10"])
    assert [row.name for row in rows[:6]] == list(own)
    assert all(row == own[row.name] for row in rows[:6])
    assert [row.name for row in rows[6:]] == [row.name.replace("mnist", "cifar") for row in recipes(1)[6:12]]
    for name in ("cifar_smallgap_adv", "mnist_smallgap_adv", "cifar_smallgap_adv_200"):
        assert parse(["1", "--dataset", "cifar", "--only", name])[1][0].schedule.epsilon == 8 / 255
    assert [row.schedule.epsilon for row in parse(["7", "--dataset", "mnist"])[1][:18]] == [0.2] * 6 + [0.3] * 6 + [
        0.4
    ] * 6


@pytest.mark.parametrize("profile", PROFILES)
def test_a_batch_has_no_more_images_than_a_small_set_of_ones_own(tmp_path, profile):
    """No option of the numbered scripts makes it smaller."""
    arrays = {"images": np.zeros((40, 28, 28), np.uint8), "labels": np.arange(40) % 2}
    np.savez(tmp_path / "few.npz", **arrays)
    line = ["1", "--only", "mnist_smallgap_adv", "--profile", profile, "--dataset", str(tmp_path / "few.npz")]
    _, [row] = parse(line)
    count = find_dataset(tmp_path / "few.npz").training_images
    assert row.schedule.batch_size == count < 40
    # A step is an epoch.
    before = with_profile(recipes(1)[1], profile).schedule
    steps = 55_000 / before.batch_size
    assert row.schedule.ramp == tuple(round(step / steps) for step in before.ramp)


def test_a_dataset_goes_by_any_of_its_names():
    row = recipes(8)[0]
    assert on_dataset(row, "cifar10") == on_dataset(row, "cifar")
    assert on_dataset(row, "cifar10").name == "cifar_simplecnn_normal_20"
    with pytest.raises(InputError, match="did you mean 'cifar'"):
        on_dataset(row, "cifra")


def test_ramps_and_rates_scale_with_the_training():
    mnist, cifar = recipes(1)[3], recipes(1)[15]
    assert for_epochs(mnist, 10).schedule.ramp == (200, 1000)
    assert for_epochs(cifar, 20).schedule.learning_rates == ((0, 1e-3), (4_000, 1e-4), (6_000, 1e-5))
    digits = on_dataset(mnist, "digits")
    steps = 1_197 // 50 * 100
    assert digits.schedule.ramp[1] < 0.1 * steps * 1.1


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 9])
def test_recipes_in_l2(number):
    """The radius is that of the images, all steps reach 2.5 times it, the name says the norm; what has no inner attack stays."""
    radii = {"mnist": 1.5, "cifar": 0.5, "restimagenet": 3.0}
    for profile in PROFILES:
        for row in (with_profile(row, profile) for row in recipes(number)):
            changed = with_norm(row, "l2")
            assert with_norm(row, "linf") == row
            if row.method.attack is None and not row.method.near:
                assert row.objective in ("normal", "hessian", "lga", "r2et")
                assert changed == row
                continue
            schedule = changed.schedule
            assert (schedule.norm, schedule.epsilon) == ("l2", radii[row.dataset])
            reach = 1.25 if row.objective == "fast" else 2.5
            assert schedule.attack_steps * schedule.attack_step_size == pytest.approx(reach * schedule.epsilon)
            assert (schedule.epochs, schedule.ramp) == (row.schedule.epochs, row.schedule.ramp)
            assert changed.name == f"{row.network_name.unnumbered}_l2_{row.schedule.epochs}"
            assert parse_name(changed.name) == changed.network_name
            explained = replace(changed, explanation="grad_cam")
            assert parse_name(explained.name) == explained.network_name


def test_recipes_in_l2_go_by_the_names_of_the_list_and_by_their_own():
    rows = pairs(1, lambda row: with_norm(row, "l2"))
    for name in ("mnist_pool_int", "mnist_pool_int_100", "mnist_pool_int_l2", "mnist_pool_int_l2_100"):
        assert [row.name for row in choose(rows, [name])] == ["mnist_pool_int_l2_100"]


def test_a_norm_that_changes_nothing_is_refused():
    with pytest.raises(InputError, match="mnist_smallgap_adv_2_100 is named after its radius in linf"):
        with_norm(recipes(7)[0], "l2")
    with pytest.raises(InputError, match="unknown norm 'l3'"):
        with_norm(recipes(1)[0], "l3")
    with pytest.raises(InputError, match="trained without one: leave --norm out"):
        attacked_in("l2", [with_norm(row, "l2") for row in recipes(8)])
    everything = [with_norm(row, "l2") for row in recipes(1)]
    assert attacked_in("l2", everything) == everything


def test_unknown_numbers_and_profiles_are_refused():
    with pytest.raises(InputError, match="no training script 11: 1 = "):
        recipes(11)
    with pytest.raises(InputError, match="did you mean 'paper'"):
        with_profile(recipes(1)[0], "papper")


def test_numbers_nine_and_ten_keep_the_best_epoch():
    assert names(9)[:7] == [
        f"mnist_smallgap_{tag}_100" for tag in ("lga", "hessian", "r2et", "igr", "art", "trades6", "fast")
    ]
    assert [row.network_name.tag for row in recipes(10)] == ["normal", "fast", "adv", "trades6", "int"]
    assert {row.keep for number in (9, 10) for row in recipes(number)} == {"best"}
    assert {row.keep for number in range(1, 9) for row in recipes(number)} == {"last"}
    assert all(row.augment for row in recipes(10))


@pytest.mark.parametrize("profile", PROFILES)
def test_fast_adv_takes_one_step_of_five_quarters_of_the_radius(profile):
    rows = [with_profile(row, profile) for number in (9, 10) for row in recipes(number) if row.objective == "fast"]
    for row in (*rows, *(with_norm(row, "l2") for row in rows)):
        assert row.schedule.attack_steps == 1
        assert row.schedule.attack_step_size == pytest.approx(1.25 * row.schedule.epsilon)


def test_the_cpu_profile_of_wresnet_starts_with_fast_adv():
    _, fast, adv, trades, _ = (with_profile(row, "cpu") for row in recipes(10))
    assert (fast.start, adv.start.name, trades.start.name) == (None, fast.name, fast.name)
    assert (adv.schedule.attack_steps, adv.schedule.attack_step_size) == (2, pytest.approx(0.75 * adv.schedule.epsilon))
    assert trades.schedule.ramp == (0, 0)
    assert max(rate for _, rate in trades.schedule.learning_rates) == pytest.approx(1e-3)
    assert on_dataset(trades, "mnist").start.name == f"mnist_wresnet_fast_{fast.schedule.epochs}"


CHANGES = (["--norm", "l2"], ["--epochs", "4"], ["--dataset", "digits"], ["--norm", "l2", "--epochs", "4"])


@pytest.mark.parametrize("changes", [[], *CHANGES])
def test_a_training_starts_with_a_network_that_the_same_options_train(changes):
    """Another norm would be another threat, another length or dataset a file that is never there."""
    trained = {row.name: row for number in ("1", "10") for row in parse([number, "--profile", "cpu", *changes])[1]}
    for number, started in (("1", 1), ("2", 1), ("10", 5)):
        _, rows = parse([number, "--profile", "cpu", *changes])
        starts = [row.start for row in rows if row.start is not None]
        assert len(starts) == started
        assert all(trained[start.name] == start for start in starts)


def test_a_ramp_that_fewer_epochs_would_cut_off_shrinks_with_them():
    """Else the radius would end far below that of the evaluation."""
    rows = [with_profile(row, "cpu") for number in (1, 2, 9) for row in recipes(number)]
    for row in rows:
        steps = find_dataset(row.dataset).training_images // row.schedule.batch_size
        assert row.schedule.ramp[1] <= row.schedule.epochs * steps
    (igr,) = (row for row in rows if row.name == "cifar_smallgap_igr_10")
    assert igr.schedule.ramp == (176, 3159)


def test_trades_goes_on_from_its_own_network_with_the_same_rates():
    _, (first, further) = parse(
        ["10", "--profile", "cpu", "--only", "cifar_wresnet_trades6_5", "cifar_wresnet_trades6_ce_15"]
    )
    assert further.start == first
    assert further.method == with_cross_entropy_attack("trades6")
    assert (first.schedule.epochs, further.schedule.epochs) == (5, 10)
    assert further.schedule.ramp == (0, 0)
    rates, again = ([rate for _, rate in row.schedule.learning_rates] for row in (first, further))
    assert again == rates
    assert [step for step, _ in further.schedule.learning_rates] == [
        2 * step for step, _ in first.schedule.learning_rates
    ]
    _, rows = parse(["10", "--profile", "cpu", "--epochs", "4"])
    assert [row.name for row in rows if row.objective == "trades6"] == [
        "cifar_wresnet_trades6_4",
        "cifar_wresnet_trades6_ce_8",
    ]
    assert not any(row.start for row in parse(["10", "--profile", "paper"])[1])


def test_fast_adv_goes_on_from_its_own_network_with_averaged_weights():
    names = ["cifar_wresnet_fast_15", "cifar_wresnet_fast_averaged_25"]
    _, (first, further) = parse(["10", "--profile", "cpu", "--only", *names])
    assert (further.start, further.method, further.average) == (first, first.method, 0.995)
    assert (further.schedule.epochs, further.schedule.ramp) == (10, (0, 0))


@pytest.mark.parametrize(("words", "decay"), [([], 0.995), (["--average", "0.9"], 0.9)])
def test_the_average_of_a_recipe_gives_way_to_that_of_the_command_line(words, decay):
    line = ["10", "--profile", "cpu", "--dataset", "digits", "--only", "digits_wresnet_fast_averaged", *words]
    options, [row] = parse(line)
    splits = {split: load("digits", split) for split in ("train", "validation")}
    assert recipe_job(row, options, splits).keeping.average == decay


def test_a_training_with_another_explanation_starts_with_the_same_network():
    _, rows = parse(["10", "--profile", "cpu", "--only", "cifar_wresnet_int", "--explanation", "grad_cam"])
    assert [(row.name, row.start.name) for row in rows] == [("cifar_wresnet_int_grad_cam_3", "cifar_wresnet_fast_15")]


def test_cam_is_an_explanation_as_any_other_where_it_is_not_that_of_the_method():
    """Methods that compare gradients would be trained on these, under a name that says nothing."""
    _, [own] = parse(["1", "--only", "mnist_smallgap_int", "--explanation", "cam"])
    assert own == recipes(1)[3]
    _, [lga] = parse(["9", "--only", "mnist_smallgap_lga", "--explanation", "cam"])
    assert lga.name == "mnist_smallgap_lga_cam_100"
    assert lga.method == with_explanation("lga", "cam")
    assert describe(lga.method, lga.schedule, 99)["explanation"] == "CAM()"
    _, [adv] = parse(["1", "--only", "mnist_smallgap_adv", "--explanation", "cam"])
    with pytest.raises(InputError, match="an explanation came for Adv, which compares no maps"):
        assert adv.method


def test_a_recipe_that_is_named_after_its_penalty_weight_keeps_it():
    with pytest.raises(InputError, match="_2_100 is named after its penalty weight: train it without"):
        parse(["7", "--only", "mnist_smallgap_int005_2", "--penalty-weight", "0.1"])
    _, [row] = parse(["1", "--only", "mnist_smallgap_int", "--penalty-weight", "0.1"])
    assert (row.name, row.penalty_weight) == ("mnist_smallgap_int_100", 0.1)


def test_the_cpu_profile_of_wresnet_has_a_cyclic_rate():
    fast = with_profile(recipes(10)[1], "cpu").schedule
    end = fast.learning_rates[-1][0]
    rates = [fast.learning_rate(step) for step in (*range(0, end, 100), end)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < max(rates) / 50

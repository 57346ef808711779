"""Names of network files, taken apart and put together again."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.core.names import ARCHITECTURE_TAGS, OBJECTIVE_TAGS
from interp.core.network_name import NetworkName, parse_name, split_name


@pytest.mark.parametrize(
    ("stem", "parts"),
    [
        ("mnist_smallgap_int_100", ("mnist", "smallgap", "int", 100, "")),
        ("cifar_wresnet_int2adv_200", ("cifar", "wresnet", "int2adv", 200, "")),
        ("digits_simplecnn_normal_0", ("digits", "simplecnn", "normal", 0, "")),
        ("mnist_smallgap_int005_2_100", ("mnist", "smallgap", "int", 100, "005_2")),
        ("cifar_smallgap_adv_6_200", ("cifar", "smallgap", "adv", 200, "_6")),
        ("mnist_smallgap_adv_l2_100", ("mnist", "smallgap", "adv", 100, "_l2")),
        ("mnist_pool_int_grad_cam_l2_20", ("mnist", "pool", "int", 20, "_grad_cam_l2")),
        ("mnist_pool_int2_grad_cam++_20", ("mnist", "pool", "int2", 20, "_grad_cam++")),
        (
            "mnist_pool_intadv_smooth_grad_input_x_gradient_3",
            ("mnist", "pool", "intadv", 3, "_smooth_grad_input_x_gradient"),
        ),
    ],
)
def test_names_of_the_paper(stem, parts):
    found = parse_name(stem)
    assert found == NetworkName(*parts)
    assert str(found) == stem
    assert found.unnumbered == stem.rpartition("_")[0]
    assert found.family == "_".join(stem.split("_")[:2])


@pytest.mark.parametrize(
    "stem",
    [
        "",
        "mine",
        "mnist_smallgap",
        "mnist_smallgap_int",
        "mnist_smallgap_mine_100",
        "mnist_mine_int_100",
        "mnist_smallgap_int3_100",
        "mnist_smallgap_int_100_",
        "mnist_smallgap_int_020",
        "mnist_smallgap_int_1٣",
        "_smallgap_int_100",
        f"mnist_smallgap_int_{'9' * 5000}",
    ],
)
def test_other_names_are_none(stem):
    assert parse_name(stem) is None


def test_what_tables_say_of_a_network():
    found = parse_name("mnist_smallgap_intone_100")
    assert (found.title, found.order) == ("Int-one-class", 4)
    assert parse_name("mnist_smallgap_adv_l2_100").title == "Adv, l2"
    assert parse_name("cifar_wresnet_trades6_ce_15").title == "TRADES-6 (CE attack)"
    assert parse_name("mnist_smallgap_int_ce_l2_20").title == "Int (CE attack), l2"
    assert parse_name("cifar_wresnet_fast_averaged_25").title == "Fast Adv (averaged)"
    assert parse_name("mnist_smallgap_int_grad_cam_ce_averaged_l2_9").full_title == (
        "Int grad cam (CE attack) (averaged), l2"
    )
    assert parse_name("mnist_smallgap_int005_2_100").full_title == "Int005 2"
    assert parse_name("mnist_smallgap_int_grad_cam_ce_l2_20").full_title == "Int grad cam (CE attack), l2"
    assert str(replace(found, tag="normal")) == "mnist_smallgap_normal_100"


@given(
    st.sampled_from(list(ARCHITECTURE_TAGS.values())),
    st.sampled_from(OBJECTIVE_TAGS),
    st.integers(0, 999_999_999),
    st.from_regex(re.compile(r"(0[0-9]{1,3})?(_[a-z0-9+_]*[a-z+])?"), fullmatch=True),
)
def test_every_name_is_read_as_it_was_written(architecture, tag, epochs, variant):
    name = NetworkName("mnist", architecture, tag, epochs, variant)
    assert parse_name(str(name)) == name


@pytest.mark.parametrize(
    ("stem", "words", "family"),
    [
        ("mnist_smallgap_int005_2_100", ("mnist", "smallgap", "int005_2_100"), "mnist_smallgap"),
        ("my_model", ("my", "model", ""), "my_model"),
        ("mine", ("mine", "", ""), "mine"),
        ("", ("", "", ""), ""),
    ],
)
def test_words_of_any_name(stem, words, family):
    assert split_name(stem) == words
    assert split_name(stem).family == family

import pytest

from interp.core.attribution_options import RankingOptions

IG, NOISY = "32 points of integrated gradients", "50 samples of noise level 0.15"


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (None, f"{IG}, {NOISY}, signed ranking"),
        (["gradient", "grad_cam"], "signed ranking"),
        (["integrated_gradients"], f"{IG}, signed ranking"),
        (["smooth_grad"], f"{NOISY}, signed ranking"),
        (["smooth_grad_var:integrated_gradients"], f"{IG}, {NOISY}, signed ranking"),
        (["expected_gradients"], "50 samples, signed ranking"),
    ],
)
def test_settings_are_those_of_the_methods_that_are_looked_at(methods, told):
    assert RankingOptions(methods=methods).settings == told

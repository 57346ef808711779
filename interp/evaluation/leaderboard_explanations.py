"""Which explanations of a network are attacked for the leaderboard."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from interp.attacks.searched_maps import attacked_method, check_attackable
from interp.core.checks import check_images
from interp.core.errors import ArgumentError, InputError

USUAL = ("cam", "ig", "gradient")
# What stands in for a map that a network does not have.
STAND_INS = {"cam": "grad_cam"}
# How the command line spells the argument that errors name.
_SPELLED: Mapping[str, str] = {"interpretation": "--explanations"}


def leaderboard_explanations(
    model: keras.Model, images: Any, asked: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """Return the names of the explanations that an attack can follow on a model, and notes.

    Args:
        model: any Keras model that returns logits.
        images: (n, height, width, channels) in [0, 1], of which one is looked at.
        asked: names that have to be attacked (default: USUAL, where the model has them, with the stand-ins where it does not).

    Returns:
        The names, and a sentence for each of the default that was left out.

    Raises:
        InputError: for one that was asked for and cannot be attacked.
    """
    first, chosen, notes = check_images(images[:1]), [], []
    for wanted in asked or USUAL:
        for name in [wanted, *([STAND_INS[wanted]] if wanted in STAND_INS and not asked else [])]:
            try:
                check_attackable(attacked_method(name), model, first)
            except InputError as error:
                told = error.with_options(_SPELLED) if isinstance(error, ArgumentError) else error
                if asked:
                    raise told from error
                notes.append(f"{name} left out: {told}")
            else:
                chosen.append(name)
                break
    return chosen, notes

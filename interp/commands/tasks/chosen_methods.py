"""The attribution methods that `--methods` names, made for a network."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from interp.commands.tasks.task import Run
from interp.core.errors import ArgumentError, InputError
from interp.core.names import ENSEMBLES, USUAL_METHODS

if TYPE_CHECKING:
    import keras

    from interp.attributions import Attribution

    Make = Callable[[keras.Model], Attribution]


def make(name: str, options: Any, model: "keras.Model") -> "Attribution":
    """The method of this name by the options of a task; ensemble:method is an ensemble over that method. Raises InputError."""
    from interp.attributions import configured

    settings = {
        "layer": options.layer,
        "steps": options.points,
        "seed": options.seed,
        "samples": options.sample_count,
        "noise_level": options.noise_level,
    }
    return configured(name, settings).with_model(model)


def chosen_methods(
    run: Run[Any], default: tuple[str, ...] = (*USUAL_METHODS, *ENSEMBLES)
) -> tuple[dict[str, "Make"], list[str]]:
    """Return what makes each method asked for, and notes: why methods of the default were left out, whose maps miss completeness.

    The random baseline comes first.

    A method that was asked for and cannot explain this network is an InputError.
    """
    options = run.options
    names = list(dict.fromkeys(["random", *(options.methods or default)]))
    kept: dict[str, Make] = {}
    notes = []
    for name in names:
        factory = partial(make, name, options)
        try:
            factory(run.model).explain(run.images[:1], run.labels[:1])
        except InputError as error:
            told = error.with_options({"interpretation": "--methods"}) if isinstance(error, ArgumentError) else error
            if options.methods or (options.layer is not None and name in ("grad_cam", "grad_cam++")):
                raise told from error
            notes.append(f"{name} left out: {told}")
            continue
        kept[name] = factory
        if name == "integrated_gradients":
            notes += gap_notes(run)
    return kept, notes


def gap_notes(run: Run[Any]) -> list[str]:
    """A note where integrated gradients of the images do not add up to the change of the logit."""
    from interp.evaluation import completeness_notes

    points = getattr(run.options, "points", None)
    notes = completeness_notes(*run.attacked, points=points or 32)
    return [f"{note}: raise --points" for note in notes] if points else notes

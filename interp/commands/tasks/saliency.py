"""saliency, coherence, selectivity and sanity_check: attribution maps, and what can be measured of them without retraining."""

from collections.abc import Sequence

import numpy as np

from interp.commands.tasks.attributions import chosen_methods, make
from interp.commands.tasks.listing import ATTRIBUTIONS, ENSEMBLES
from interp.commands.tasks.setting import Outcome, Setting
from interp.core.checks import check_number
from interp.evaluation import Mean, ink, mean_of
from interp.evaluation import coherence as measure_coherence
from interp.evaluation import sanity_check as check_sanity
from interp.evaluation import selectivity as measure_selectivity
from interp.evaluation.sanity_check import EXPECTED, THRESHOLD
from interp.evaluation.selectivity import patch_side
from interp.report import (
    NOTHING,
    Cell,
    Table,
    agreement_figure,
    attributions_figure,
    correlations_figure,
    erased_images_figure,
    selectivity_figure,
)

# Of ensembles, in pictures and where maps are computed again and again.
SAMPLES, FEWER_SAMPLES = 50, 16
# Datasets whose images are drawn on black, so that the object is what is not black.
DRAWN_ON_BLACK = ("digits", "mnist")
SHOWN_IMAGES = 8


def saliency(setting: Setting) -> Outcome:
    """A picture, a row an image and a column a method; the table names the layers and the completeness gap."""
    samples = setting.arguments.samples or SAMPLES
    methods, notes = chosen_methods(setting, (*ATTRIBUTIONS, *ENSEMBLES), samples=samples)
    rows: list[tuple[Cell, ...]] = []
    maps = {}
    with setting.progress(len(methods)) as tick:
        for name, factory in methods.items():
            found = factory(setting.model).explain(setting.images, setting.labels)
            maps[name] = found.maps
            gap = float(found.values["gap"].mean()) if "gap" in found.values else NOTHING
            strongest = float(np.abs(found.maps).max((1, 2, 3)).mean())
            negative = float((found.maps < 0).mean())
            rows.append((name, found.layer or NOTHING, len(found.maps), strongest, negative, gap))
            tick()
    header = ("method", "layer", "images", "mean largest magnitude", "share below 0", "completeness gap")
    table = Table(header, tuple(rows), f"{len(setting.labels)} images; {_settings(setting, samples)}")
    titles = [setting.sample.class_names[label] for label in setting.labels]
    return Outcome(table, {"notes": notes}, {"maps": attributions_figure(setting.images, maps, titles)})


def coherence(setting: Setting) -> Outcome:
    """Share of attributions on the object and agreement of methods; the WhiteBox grid, plain and with each ensemble."""
    samples = setting.arguments.samples or SAMPLES
    methods, notes = chosen_methods(setting, (*ATTRIBUTIONS, *ENSEMBLES), samples=samples)
    # The first image of each class.
    shown = np.array([np.flatnonzero(setting.labels == label)[0] for label in np.unique(setting.labels)])
    titles = [setting.sample.class_names[label] for label in setting.labels[shown]]
    plain = [name for name in methods if name in ATTRIBUTIONS and name != "random"]
    with setting.progress(len(methods) + len(ENSEMBLES) * len(plain)) as tick:
        maps = {}
        for name, factory in methods.items():
            maps[name] = factory(setting.model)(setting.images, setting.labels)
            tick()
        pictures = {
            "grid_plain": attributions_figure(
                setting.images[shown], {name: maps[name][shown] for name in plain or methods}, titles
            )
        }
        for ensemble in ENSEMBLES if plain else ():
            found = {}
            for name in plain:
                method = make(f"{ensemble}:{name}", setting, setting.model, samples=samples)
                found[name] = method(setting.images[shown], setting.labels[shown])
                tick()
            pictures[f"grid_{ensemble}"] = attributions_figure(setting.images[shown], found, titles)
    objects = ink(setting.images) if setting.sample.name in DRAWN_ON_BLACK else None
    figures = measure_coherence(maps, objects, ranking=setting.arguments.ranking)
    pictures["agreement"] = agreement_figure(figures.methods, figures.agreement)
    rows: list[tuple[Cell, ...]] = []
    for index, name in enumerate(figures.methods):
        others = np.delete(figures.agreement[index], [index, *_place(figures.methods, "random")])
        agreement = mean_of(others).value if len(others) else NOTHING
        on_object: tuple[Cell, Cell] = (NOTHING, NOTHING)
        if figures.on_object is not None:
            share = figures.on_object[index]
            on_object = share.value, share.standard_error
        rows.append((name, *on_object, agreement))
    covered = "" if figures.object_share is None else f"; the object covers {figures.object_share:.3f} of the pixels"
    table = Table(
        ("method", "share on object", "standard error", "mean agreement"),
        tuple(rows),
        f"{figures.count} images{covered}; agreement: rank correlation with the other methods, without the random baseline; "
        f"{_settings(setting, samples)}",
    )
    record = {"agreement": figures.agreement.tolist(), "object_share": figures.object_share, "notes": notes}
    return Outcome(table, record, pictures)


def selectivity(setting: Setting) -> Outcome:
    """Area under the curve of each method, and the curves."""
    arguments, samples = setting.arguments, setting.arguments.samples or FEWER_SAMPLES
    steps = arguments.steps or 50
    height, width, _ = setting.sample.image_shape
    patch = patch_side(height, width, arguments.patch)
    check_number("--steps", steps, minimum=1, whole=True, maximum=-(-height // patch) * -(-width // patch))
    methods, notes = chosen_methods(setting, (*ATTRIBUTIONS, *ENSEMBLES), samples=samples)
    found = {}
    with setting.progress(len(methods) * steps) as tick:
        for name, factory in methods.items():
            found[name] = measure_selectivity(
                factory(setting.model),
                setting.images,
                setting.labels,
                steps=steps,
                patch=patch,
                ranking=arguments.ranking,
                seed=arguments.seed,
                report=tick,
            )
    rows: list[tuple[Cell, ...]] = []
    for name, result in found.items():
        curve = result.mean_probability
        rows.append(
            (name, result.area, *(float(curve[at]) for at in (0, steps // 2, steps)), float(result.accuracy[-1]))
        )
    erased_a_step = (
        "one pixel"
        if patch == 1
        else f"a patch of {patch} x {patch} pixels ({100 * patch**2 / (height * width):.1f}% of the image)"
    )
    header = ("method", "area", *(f"p after {at}" for at in (0, steps // 2, steps)), f"accuracy after {steps}")
    table = Table(
        header,
        tuple(rows),
        f"{len(setting.labels)} images, {erased_a_step} a step, set to 0, maps computed anew; p: probability of the class; area: its mean "
        f"over the curve, the smaller the more selective; {_settings(setting, samples)}",
    )
    record = {
        "patch": patch,
        "curves": {name: result.mean_probability.tolist() for name, result in found.items()},
        "accuracies": {name: result.accuracy.tolist() for name, result in found.items()},
        "notes": notes,
    }
    shown = slice(0, SHOWN_IMAGES)
    titles = [setting.sample.class_names[label] for label in setting.labels[shown]]
    erased = {name: result.erased[shown] for name, result in found.items()}
    pictures = {
        "curves": selectivity_figure(found),
        "erased": erased_images_figure(setting.images[shown], erased, titles),
    }
    return Outcome(table, record, pictures)


def sanity_check(setting: Setting) -> Outcome:
    """What is left of the maps when weights are random, beside what is known of each method."""
    samples = setting.arguments.samples or FEWER_SAMPLES
    methods, notes = chosen_methods(setting, (*ATTRIBUTIONS, *ENSEMBLES), samples=samples)
    stages = 10
    with setting.progress(stages + 1) as tick:
        found = check_sanity(
            setting.model,
            methods,
            setting.images,
            setting.labels,
            stages=stages,
            seed=setting.arguments.seed,
            report=tick,
        )
    rows: list[tuple[Cell, ...]] = []
    for name, factory in methods.items():
        curve = found.correlations[name]
        expected = EXPECTED.get(factory(setting.model).name)
        verdicts = _verdict(found.passes(name)), _verdict(expected)
        magnitude = found.magnitudes[name][-1].value
        rows.append((name, curve[-1].count, _curve(curve, found.half), found.remaining(name), magnitude, *verdicts))
    table = Table(
        (
            "method",
            "images",
            "layer by layer",
            "largest from half on",
            "all random, magnitudes",
            "measured",
            "expected",
        ),
        tuple(rows),
        f"{found.count} images; rank correlation with the maps of the trained network as layers become random from the top "
        f"({', '.join(found.stages)}), after the bar half of them or more; passes: there never above {THRESHOLD:g} in size; expected: "
        "Adebayo et al. 2018, DeconvNet Sixt et al. 2020; images whose map is constant do not count; "
        f"{_settings(setting, samples, ranking=False)}",
    )
    surprises = [f"{row[0]} {row[5]}, expected: {row[6]}" for row in rows if row[6] not in (NOTHING, row[5])]
    rests = (
        f"measured: whether maps still agree once {found.layers[found.half]} of {found.layers[-1]} layers are random; that they "
        "change when the layer next to the pixels does says nothing"
    )
    record = {
        "stages": list(found.stages),
        "layers": list(found.layers),
        "signed": {name: [mean.value for mean in means] for name, means in found.correlations.items()},
        "magnitudes": {name: [mean.value for mean in means] for name, means in found.magnitudes.items()},
        "notes": [*notes, *surprises, rests],
    }
    return Outcome(table, record, {"correlations": correlations_figure(found)})


def _curve(means: Sequence[Mean], half: int) -> str:
    """The correlations after each stage, with a bar where half of the layers are random."""
    told = [NOTHING if mean.value is None else f"{mean.value:.2f}" for mean in means]
    return " ".join([*told[:half], "|", *told[half:]])


def _verdict(passes: bool | None) -> str:
    return NOTHING if passes is None else "passes" if passes else "fails"


def _place(names: tuple[str, ...], name: str) -> list[int]:
    return [names.index(name)] if name in names else []


def _settings(setting: Setting, samples: int, *, ranking: bool = True) -> str:
    arguments = setting.arguments
    told = (
        f"{arguments.points} points of integrated gradients, {samples} samples of noise level {arguments.noise_level:g}"
    )
    return f"{told}, {arguments.ranking} ranking" if ranking else told

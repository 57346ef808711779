"""uar_attack: accuracy under unforeseen attacks, and the UAR score."""

import numpy as np
from matplotlib.figure import Figure

from interp.attacks import correct
from interp.attacks.unforeseen import GOALS, SCORED, UNFORESEEN, make_unforeseen
from interp.commands.tasks.accuracy import flag_records
from interp.commands.tasks.setting import Outcome, Setting
from interp.evaluation import calibrated_budgets, chance_accuracy, read_calibration, uar_scores, unforeseen_accuracy
from interp.report import NOTHING, Cell, Table, gallery_figure, unforeseen_figure

# Parts of the default budget in the gallery.
GALLERY = (1 / 16, 1 / 4, 1.0)
GALLERY_STEPS = 20


def uar_attack(setting: Setting) -> Outcome:
    """Accuracies, an attack, goal and budget a row, scores where there is a calibration, curves and the gallery."""
    arguments = setting.arguments
    names = arguments.attacks or SCORED
    goals = tuple(GOALS) if arguments.goal == "both" else (arguments.goal,)
    side = max(setting.sample.image_shape[:2])
    calibration = None if arguments.calibration is None else read_calibration(setting.files.add(arguments.calibration))
    if calibration is not None:
        budgets = calibrated_budgets(calibration, names)
    elif arguments.budgets == "all":
        budgets = {name: UNFORESEEN[name].budgets for name in names}
    else:
        budgets = {name: (UNFORESEEN[name].default(side),) for name in names}
    steps, restarts = arguments.steps or 200, max(arguments.restarts or 1, 1)
    with setting.progress(len(goals) * sum(map(len, budgets.values()))) as tick:
        found = unforeseen_accuracy(
            setting.model,
            setting.images,
            setting.labels,
            budgets,
            goals=goals,
            steps=steps,
            restarts=restarts,
            seed=arguments.seed,
            batch_size=setting.batch_size(),
            report=tick,
        )
    scores = {} if calibration is None else uar_scores(found, calibration)
    rows: list[tuple[Cell, ...]] = [
        (
            row.attack,
            row.goal,
            row.epsilon,
            row.accuracy,
            row.standard_error,
            scores.get((row.attack, row.goal), NOTHING),
        )
        for row in found
    ]
    padded = any(length % 16 for length in setting.sample.image_shape[:2])
    notes = (
        ["sides are no multiples of 16: the attacks work on images with black margins, which are cut off"]
        if padded
        else []
    )
    table = Table(
        ("attack", "goal", "budget", "accuracy", "standard error", "UAR"),
        tuple(rows),
        f"{len(setting.labels)} images, {steps} steps of budget / sqrt(steps), worst of {restarts} start(s), seed {arguments.seed}; "
        "random_target takes the last latents, untargeted the worst",
    )
    pictures = {"gallery": _gallery(setting, tuple(names), side)}
    if any(len(radii) > 1 for radii in budgets.values()):
        pictures["budgets"] = unforeseen_figure(found)
    clean = correct(setting.model, setting.images, setting.labels, batch_size=setting.batch_size())
    flags = flag_records(chance_accuracy(clean, setting.labels, setting.sample.classes))
    return Outcome(table, {"notes": notes, "flags": flags}, pictures)


def _gallery(setting: Setting, names: tuple[str, ...], side: int) -> Figure:
    """One image of each class, and each attack on it at three budgets."""
    shown = np.array([np.flatnonzero(setting.labels == label)[0] for label in np.unique(setting.labels)])
    images, labels = setting.images[shown], setting.labels[shown]
    columns = {}
    for name in names:
        shared = make_unforeseen(name, 1.0, steps=GALLERY_STEPS)
        for part in GALLERY:
            epsilon = part * UNFORESEEN[name].default(side)
            attack = make_unforeseen(name, epsilon, steps=GALLERY_STEPS, _compiled=shared._compiled)
            columns[f"{name}\n{epsilon:g}"] = attack(setting.model, images, labels, seed=setting.arguments.seed)
    return gallery_figure(images, columns, [setting.sample.class_names[label] for label in labels])

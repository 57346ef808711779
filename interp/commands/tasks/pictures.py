"""vis_cam: maps of clean and attacked images."""

from interp.attacks import ProjectedGradientDescent, correct
from interp.commands.tasks.accuracy import flag_records
from interp.commands.tasks.attributions import shown_gaps
from interp.commands.tasks.setting import Outcome, Setting
from interp.evaluation import chance_accuracy, describe_protocol, unreached
from interp.report import Table, class_maps_figure, map_gallery


def vis_cam(setting: Setting) -> Outcome:
    """A picture, a row an image; the table says what the attack did."""
    arguments = setting.arguments
    epsilon = max(setting.map_epsilons)
    attack = ProjectedGradientDescent(
        epsilon=epsilon,
        step_size=arguments.step_size,
        steps=arguments.steps or 200,
        random_start=bool(arguments.restarts),
        restarts=max(arguments.restarts or 0, 1),
    )
    attacked = attack(
        setting.model, setting.images, setting.labels, seed=arguments.seed, batch_size=setting.batch_size()
    )
    right = [correct(setting.model, images, setting.labels) for images in (setting.images, attacked)]
    header = ("images", "eps", "clean accuracy", "attacked accuracy")
    table = Table(
        header,
        ((len(setting.labels), epsilon, *(float(each.mean()) for each in right)),),
        f"maps of {setting.method}; {describe_protocol(attack, carry=False)}",
    )
    figure = class_maps_figure(setting.model, setting.sample, attacked, setting.method)
    gallery = map_gallery(setting.name, setting.model, setting.sample, attacked)
    flags = (
        *chance_accuracy(right[0], setting.labels, setting.sample.classes),
        *unreached(epsilon, attack.step_size, attack.steps),
    )
    return Outcome(table, {"flags": flag_records(flags), "notes": shown_gaps(setting)}, {"maps": figure}, gallery)

"""vis_cam: maps of clean and attacked images."""

from interp.attacks import ProjectedGradientDescent, correct
from interp.commands.tasks.setting import Outcome, Setting
from interp.evaluation import describe_protocol
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
    right = [float(correct(setting.model, images, setting.labels).mean()) for images in (setting.images, attacked)]
    header = ("images", "eps", "clean accuracy", "attacked accuracy")
    table = Table(
        header,
        ((len(setting.labels), epsilon, *right),),
        f"maps of {setting.method}; {describe_protocol(attack, carry=False)}",
    )
    figure = class_maps_figure(setting.model, setting.sample, attacked, setting.method)
    gallery = map_gallery(setting.name, setting.model, setting.sample, attacked)
    return Outcome(table, {}, {"maps": figure}, gallery)

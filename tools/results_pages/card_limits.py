"""What a card says of a network's limits: sentences that follow from its metadata and its row of the leaderboard."""

from interp.core.tables import counted, radius_text
from interp.data import DatasetSpec
from interp.evaluation import LeaderboardRow
from interp.training import find_objective
from results_pages.network_tables import Trained

# The profile of trainings as long as published ones.
PAPER = "paper"
# An ensemble that not every record of the strong protocol was made with, by its name in the words of a protocol.
ENSEMBLE = "AutoAttack"


def limits(made: Trained, spec: DatasetSpec, row: LeaderboardRow | None) -> list[str]:
    """The sentences."""
    shape, schedule, profile = made.image_shape, made.schedule, made.run.arguments.profile
    kind = "grey" if shape[2] == 1 else "colour"
    drawn = ", drawn on black" if spec.drawn_on_black else ""
    lines = [
        f"It knows {kind} images of {shape[0]}x{shape[1]} pixels{drawn}: {made.data}. Of other images its answers mean nothing."
    ]
    # The schedule has a radius, whether the method looks at it or not.
    objective, ball = find_objective(made.method), f"{schedule.norm} of radius {radius_text(schedule.epsilon)}"
    if schedule.epsilon and objective.attack is not None:
        lines.append(
            f"It was trained against attacks in {ball}. Larger radii, other norms and other changes of an image may break it."
        )
    else:
        noise = f", though with random noise in {ball}" if schedule.epsilon and objective.near else ""
        lines.append(f"It was trained without attacks{noise}, so small changes of an image may change its prediction.")
    if profile != PAPER:
        start = f" from the weights of {made.start}" if made.start else ""
        length = f"{counted(schedule.epochs, 'epoch')} of the profile `{profile}`{start}"
        lines.append(f"Its training was short, {length}: a longer one may make a better network.")
    return [*lines, *_of_figures(made, row)]


def _of_figures(made: Trained, row: LeaderboardRow | None) -> list[str]:
    measured, lines = made.measured, []
    if measured is None and row is None:
        return ["Nothing was measured, so nothing is known of its robustness."]
    if measured is not None:
        lines.append(
            f"Accuracies under attack are upper bounds, on {measured.images.strong} images: a stronger attack may find more."
        )
        if ENSEMBLE not in measured.protocols.get("strong", ENSEMBLE):
            lines.append(f"The strong protocol of its figures was without {ENSEMBLE}.")
        if measured.flags:
            lines.append(f"The strong protocol flagged: {', '.join(measured.flags)}.")
    if row is not None:
        told = ", ".join(f"{moved.explanation} of {moved.worst_case.count} images" for moved in row.explanations)
        lines += [f"Figures of explanations are upper bounds, too: {told}."] if told else []
        lines += [f"Flagged on the leaderboard: {flag.text}." for flag in row.flags]
    return lines

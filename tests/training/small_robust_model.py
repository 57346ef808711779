"""A small `RobustModel` and the schedule it is trained by."""

from interp.models import build_network
from interp.training import RobustModel, Schedule

SCHEDULE = Schedule(
    epochs=2,
    batch_size=50,
    learning_rates=((0, 1e-3),),
    epsilon=0.1,
    ramp=(1, 3),
    attack_steps=2,
    attack_step_size=0.05,
)


def make(objective="int", **options):
    return RobustModel(build_network("small", (28, 28, 1), 10, seed=3), objective, SCHEDULE, **options)

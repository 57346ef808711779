"""The networks of the numbered training scripts, as data: Boopathy et al. 2020 (1 to 7), WhiteBox (8), methods since then (9, 10)."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interp.core.errors import InputError, check_choice
from interp.core.names import ARCHITECTURE_TAGS, OBJECTIVE_TAGS
from interp.core.network_name import AVERAGED_SUFFIX, CROSS_ENTROPY_SUFFIX, NORM_SUFFIXES, NetworkName
from interp.data import find_dataset
from interp.training.schedule import PAPER, Schedule, for_objective, plain_schedule

if TYPE_CHECKING:
    from interp.training.objectives import Objective

INTERPRETABILITY = ("normal", "adv", "trades", "int", "intadv", "intone")
GRADIENTS = ("ig", "igsum", "intig", "intigadv")
PGD_TRAINED = ("int2", "int2adv")
SINCE_2020 = ("lga", "hessian", "r2et", "igr", "art", "trades6", "fast")
MNIST_SMALL, MNIST_POOL = ("mnist", "small"), ("mnist", "pool")
CIFAR_SMALL, CIFAR_WRESNET = ("cifar", "small"), ("cifar", "wresnet")
IMAGENET = ("restimagenet", "wresnet")

DESCRIPTIONS = {
    1: "Normal, Adv, TRADES and the Int methods on MNIST small and pool and CIFAR small",
    2: "the integrated-gradients methods on MNIST small and pool",
    3: "the integrated-gradients methods on CIFAR small, and the methods of 1 on CIFAR wresnet",
    4: "Int2 and Int2-Adv on MNIST small and pool and CIFAR small and wresnet",
    5: "Restricted ImageNet wresnet",
    6: "one epoch of every method, timed, without a ramp",
    7: "Int over penalty weights and radii, Adv over radii, on MNIST and CIFAR small",
    8: "WhiteBox's simple_cnn on MNIST and CIFAR-10",
    9: "methods since 2020 on MNIST small and CIFAR small",
    10: "Normal, Fast Adv, Adv, TRADES-6 and Int on CIFAR wresnet, the best epoch kept",
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network to train: what, on which dataset (prefix of its file), by which objective and schedule."""

    dataset: str
    architecture: str
    objective: str
    schedule: Schedule
    variant: str = ""
    penalty_weight: float | None = None
    # The explanation that the objective compares, by name (default: its own).
    explanation: str | None = None
    augment: bool = False
    # At most so many training images (default: all).
    images: int | None = None
    # The network of the same directory whose weights it starts with (default: random ones); options change both alike.
    start: "Recipe | None" = None
    # Which epoch's weights the file gets.
    keep: str = "last"
    # Steepness of the softplus whose derivative stands in for ReLU's in maps that are gradients (default: the usual one).
    softplus: float | None = None
    # Of LGA, what a squared distance counts against half a cosine distance (default: the usual weight).
    distance_weight: float | None = None
    # Whether the inner attack raises the cross-entropy, in place of the method's own term.
    cross_entropy_attack: bool = False
    # Decay of an average of the weights over steps, where the recipe itself asks for one.
    average: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", for_objective(self.schedule, self.objective))

    @property
    def network_name(self) -> NetworkName:
        """The parts of the file's name, of which the epochs count those of a start by the same objective."""
        explained = f"_{self.explanation.replace(':', '_')}" if self.explanation else ""
        attacked = CROSS_ENTROPY_SUFFIX if self.cross_entropy_attack else ""
        averaged = AVERAGED_SUFFIX if self.average is not None else ""
        before = self.start
        earlier = before.network_name.epochs if before is not None and before.objective == self.objective else 0
        return NetworkName(
            dataset=self.dataset,
            architecture=ARCHITECTURE_TAGS[self.architecture],
            tag=self.objective,
            epochs=self.schedule.epochs + earlier,
            variant=f"{self.variant}{explained}{attacked}{averaged}{NORM_SUFFIXES[self.schedule.norm]}",
        )

    @property
    def name(self) -> str:
        """The file's name, as in the paper's release: mnist_smallgap_int_100, mnist_smallgap_int005_2_100."""
        return str(self.network_name)

    @property
    def method(self) -> "Objective":
        """The objective with its explanation and what is changed in it. Raises InputError."""
        from interp.training.objectives import changed_objective

        return changed_objective(self.objective, self)


def recipes(number: int) -> list[Recipe]:
    """Return the networks of a numbered script with the paper's schedule, raising InputError for another number."""
    if number not in DESCRIPTIONS:
        known = "; ".join(f"{key} = {text}" for key, text in DESCRIPTIONS.items())
        raise InputError(f"no training script {number}: {known}")
    return list(_RECIPES[number]())


def _each(
    places: tuple[tuple[str, str], ...], objectives: tuple[str, ...], *, epochs: int | None = None, ramp: bool = True
) -> Iterator[Recipe]:
    for dataset, architecture in places:
        schedule = PAPER[dataset]
        if epochs is not None:
            schedule = replace(schedule, epochs=epochs)
        if not ramp:
            schedule = replace(schedule, ramp=(0, 0))
        for objective in objectives:
            yield Recipe(dataset=dataset, architecture=architecture, objective=objective, schedule=schedule)


def _grid() -> Iterator[Recipe]:
    """Number 7: lambda and eps in the name as the paper's release writes them."""
    radii = {"mnist": {"2": 0.2, "3": 0.3, "4": 0.4}, "cifar": {level: int(level) / 255 for level in ("6", "8", "10")}}
    weights = {"001": 0.001, "005": 0.005, "01": 0.01, "015": 0.015, "02": 0.02}
    for dataset, chosen in radii.items():
        for radius_tag, epsilon in chosen.items():
            schedule = replace(PAPER[dataset], epsilon=epsilon)
            adv = Recipe(
                dataset=dataset, architecture="small", objective="adv", schedule=schedule, variant=f"_{radius_tag}"
            )
            yield adv
            for weight_tag, weight in weights.items():
                yield replace(adv, objective="int", variant=f"{weight_tag}_{radius_tag}", penalty_weight=weight)


def _best(*groups: Iterable[Recipe], augment: bool = False) -> Iterator[Recipe]:
    """The recipes, of which the best epoch is kept: accuracy under attack falls again in long trainings (Rice et al. 2020)."""
    for row in itertools.chain(*groups):
        yield replace(row, keep="best", augment=augment)


def _whitebox() -> Iterator[Recipe]:
    schedule = plain_schedule(epochs=20, batch_size=64, learning_rate=1e-3)
    for dataset, epochs in (("mnist", 20), ("cifar", 60)):
        yield Recipe(
            dataset=dataset,
            architecture="simple_cnn",
            objective="normal",
            schedule=replace(schedule, epochs=epochs),
            augment=find_dataset(dataset).augmented,
        )


_RECIPES: dict[int, Callable[[], Iterable[Recipe]]] = {
    1: lambda: _each((MNIST_SMALL, MNIST_POOL, CIFAR_SMALL), INTERPRETABILITY),
    2: lambda: _each((MNIST_SMALL, MNIST_POOL), GRADIENTS),
    3: lambda: [*_each((CIFAR_SMALL,), GRADIENTS), *_each((CIFAR_WRESNET,), INTERPRETABILITY)],
    4: lambda: _each((MNIST_SMALL, MNIST_POOL, CIFAR_SMALL, CIFAR_WRESNET), PGD_TRAINED),
    5: lambda: _each((IMAGENET,), ("normal", "adv", "int", "intadv", "intone", *PGD_TRAINED)),
    6: lambda: [
        *_each((MNIST_SMALL, CIFAR_SMALL), OBJECTIVE_TAGS, epochs=1, ramp=False),
        *_each((MNIST_POOL, CIFAR_WRESNET), (*INTERPRETABILITY, *PGD_TRAINED), epochs=1, ramp=False),
    ],
    7: _grid,
    8: _whitebox,
    9: lambda: _best(_each((MNIST_SMALL,), SINCE_2020), _each((CIFAR_SMALL,), ("lga", "igr", "trades6", "fast"))),
    10: lambda: _best(_each((CIFAR_WRESNET,), ("normal", "fast", "adv", "trades6", "int")), augment=True),
}


def choose(rows: list[tuple[Recipe, Recipe]], names: Sequence[str] | None) -> list[Recipe]:
    """Return the second recipe of each pair (as listed, as changed by options) that one of the `names` means, all without any.

    A name is that of either, with or without its epochs, which profiles change. Raises InputError for a name of none.
    """
    chosen: dict[str, Recipe] = {}
    known = {
        alias: new
        for old, new in reversed(rows)
        for row in (old, new)
        for alias in (row.network_name.unnumbered, row.name)
    }
    for name in names or [new.name for _, new in rows]:
        if name not in known:
            check_choice("network", name, list(dict.fromkeys(new.name for _, new in rows)))
        # Rows that the options made alike are trained once, the first of them.
        chosen.setdefault(known[name].name, known[name])
    return list(chosen.values())

"""What `--task` may name, as data; nothing here imports TensorFlow, so help and wrong names are answered at once."""

from dataclasses import dataclass

MAPS = ("cam", "cam++", "ig")


@dataclass(frozen=True)
class Listed:
    """A task: what it is for, how many images it takes by default, and which interpretations it may look at, the first by default."""

    help: str
    images: int
    methods: tuple[str, ...] = MAPS
    seed: int = 99
    protocols: tuple[str, ...] = ("reference",)


# The saliency suite looks at attributions, which --methods chooses.
SALIENCY = ("saliency",)
# Attacks on predictions alone.
PREDICTIONS = ("predictions",)
ATTRIBUTIONS = (
    "random",
    "gradient",
    "input_x_gradient",
    "deconvnet",
    "guided_backprop",
    "integrated_gradients",
    "grad_cam",
    "grad_cam++",
    "guided_grad_cam",
    "cam",
)
ENSEMBLES = ("smooth_grad", "smooth_grad_squared", "smooth_grad_var")


LISTING = {
    "pgd_attack": Listed(
        "accuracy under PGD, or under the strong protocol, for several radii", 200, protocols=("reference", "strong")
    ),
    "min_pgd_attack": Listed("smallest radius of each image, margin and discrepancy there", 100),
    "isa_cam": Listed("interpretability sneaking attack on class activation maps", 50, ("cam", "cam++"), seed=123),
    "isa_ig": Listed("interpretability sneaking attack on integrated gradients", 50, ("ig",)),
    "tradeoff_cam": Listed("discrepancy of class activation maps against the radius, in pictures", 4, ("cam", "cam++")),
    "tradeoff_ig": Listed("discrepancy of integrated gradients against the radius, in pictures", 4, ("ig",)),
    "tradeoff_repr": Listed(
        "discrepancy of feature maps (--rep_l) against the radius, in pictures", 4, ("representation",)
    ),
    "attack_and_display": Listed("clean, attacked and sneakily attacked maps side by side, in a picture", 4),
    "vis_cam": Listed("maps of clean and attacked images, in a picture", 8),
    "intr_topk": Listed("strongest positions shared with the maps of another network (--against)", 200),
    "aai_topk": Listed("top-k attack on the maps: agreement of clean and attacked ones", 200),
    "uar_attack": Listed(
        "accuracy under fog, snow, gabor, JPEG and elastic attacks, and the UAR score", 200, PREDICTIONS
    ),
    "saliency": Listed("attribution maps of every method, in a picture", 8, SALIENCY),
    "coherence": Listed("are attributions on the object, and do methods agree; the grid of all methods", 100, SALIENCY),
    "selectivity": Listed("probability of the class while the strongest patches are erased", 50, SALIENCY),
    "roar": Listed(
        "accuracy after retraining without the strongest pixels", 2000, SALIENCY, protocols=("paper", "whitebox")
    ),
    "kar": Listed(
        "accuracy after retraining without the weakest pixels", 2000, SALIENCY, protocols=("paper", "whitebox")
    ),
    "sanity_check": Listed("do attributions depend on the weights", 50, SALIENCY),
}

# Radii of the paper's tables.
EPSILONS = {
    "digits": (0.0, 0.05, 0.1, 0.15),
    "mnist": (0.0, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4),
    "cifar": tuple(level / 255 for level in (0, 2, 4, 6, 8, 9, 10)),
    "cifar10": tuple(level / 255 for level in (0, 2, 4, 6, 8, 9, 10)),
    "restimagenet": (0.0, 0.001, 0.002, 0.003, 0.004),
}
# Radii at which maps are attacked and shown.
MAP_EPSILONS = {
    "digits": (0.1,),
    "mnist": (0.1, 0.3),
    "cifar": (4 / 255, 8 / 255),
    "cifar10": (4 / 255, 8 / 255),
    "restimagenet": (0.003,),
}

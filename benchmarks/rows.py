"""The rows of the benchmark as data: a name, and how its work is made once TensorFlow may be imported."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from works import Prepared

TAGS = ("normal", "adv", "trades", "int", "intone", "intadv", "int2", "int2adv", "ig", "igsum", "intig", "intigadv")
ADV, INT, NORMAL = "mnist_smallgap_adv_100", "mnist_smallgap_int_100", "mnist_smallgap_normal_100"


@dataclass(frozen=True)
class Row:
    """A row; `network` is the trained one it needs, `limit` what it should stay under, in U.

    `faster` is how many times as fast as its naive version it should be.
    """

    name: str
    make: Callable[[Any], "Prepared"]
    network: str | None = None
    limit: float | None = None
    faster: float | None = None


def _work(function: str, *arguments: Any, **named: Any) -> Callable[[Any], "Prepared"]:
    return lambda works: getattr(works, function)(*arguments, **named)


def _attack(make: Callable[[Any], Any], network: str | None = None) -> Callable[[Any], "Prepared"]:
    return lambda works: works.attack_row(make(works), 200, network)


def _explain(
    make: Callable[[Any, Any], Any], network: str | None = None, passes: int | None = None
) -> Callable[[Any], "Prepared"]:
    return lambda works: works.attribution(partial(make, works.attributions), 200, network, passes)


def _explain_larger(make: Callable[[Any, Any], Any]) -> Callable[[str, str, int], Callable[[Any], "Prepared"]]:
    return lambda kind, architecture, count: (
        lambda works: works.attribution(partial(make, works.attributions), count, kind=kind, architecture=architecture)
    )


# The same works for larger networks.
LARGER: dict[str, Callable[[str, str, int], Callable[[Any], "Prepared"]]] = {
    "training step, adv, 2 inner steps": lambda kind, architecture, count: _work(
        "step_of", "adv", kind, architecture, 2, count
    ),
    "PGD, 10 steps": lambda kind, architecture, count: _work("pgd", kind, architecture, count, 10),
    "AutoPGD, 10 steps": lambda kind, architecture, count: _work("auto_pgd", kind, architecture, count, 10),
    "Grad-CAM": _explain_larger(lambda methods, model: methods.GradCAM(model)),
    "integrated gradients, 16 points": _explain_larger(
        lambda methods, model: methods.IntegratedGradients(model, steps=16)
    ),
    "SmoothGrad, 16 samples": _explain_larger(
        lambda methods, model: methods.SmoothGrad(methods.VanillaGradient(model), samples=16)
    ),
}

LIMITS = {"normal": 1.2, "adv": 7, "int2": 7, "int": 11, "intadv": 11, "trades": 7, "ig": 40}
# Times as fast as its naive version.
FASTER = {("training step, adv, 2 inner steps", "preact_resnet18"): 1.5}
UNFORESEEN = ("fog", "snow", "gabor", "jpeg_linf", "jpeg_l2", "jpeg_l1", "elastic")

ROWS = (
    *(
        Row(f"training step, {tag}, MNIST small", _work("step_of", tag, "mnist", "small"), None, LIMITS.get(tag))
        for tag in TAGS
    ),
    *(Row(f"training step, {tag}, CIFAR small", _work("step_of", tag, "cifar", "small")) for tag in ("adv", "int")),
    *(
        Row(f"training step, {tag}, CIFAR wresnet, 2 inner steps", _work("step_of", tag, "cifar", "wresnet", 2))
        for tag in ("adv", "int")
    ),
    Row("PGD, 200 images, 40 steps, MNIST small", _work("pgd", "mnist", "small", 200, 40), None, 40),
    Row("PGD, 200 images, 40 steps, Adv", _work("pgd", "mnist", "small", 200, 40, network=ADV), ADV, 40),
    Row(
        "PGD, first success, 200 images, 40 steps, Adv",
        _work("pgd", "mnist", "small", 200, 40, network=ADV, iterate="first"),
        ADV,
    ),
    Row(
        "PGD, first success, 200 images, 40 steps, Normal",
        _work("pgd", "mnist", "small", 200, 40, network=NORMAL, iterate="first"),
        NORMAL,
    ),
    Row(
        "PGD, bfloat16, 200 images, 40 steps, Adv",
        _work("pgd", "mnist", "small", 200, 40, network=ADV, precision="bfloat16"),
        ADV,
    ),
    *(
        Row(
            f"PGD{tag}, {count} images, {steps} steps, {title}",
            _work("pgd", kind, architecture, count, steps, precision=precision),
        )
        for title, kind, architecture, count, steps in (
            ("MNIST pool", "mnist", "pool", 100, 20),
            ("CIFAR small", "cifar", "small", 200, 40),
            ("CIFAR wresnet", "cifar", "wresnet", 100, 10),
        )
        for tag, precision in (("", "float32"), (", bfloat16", "bfloat16"))
    ),
    Row("accuracy curve, paper's protocol, Adv", _work("curve", ADV, "last"), ADV),
    Row("accuracy curve, first success, Adv", _work("curve", ADV, "first"), ADV, 600),
    Row("accuracy curve, first success, Normal", _work("curve", NORMAL, "first"), NORMAL, 200),
    Row("AutoPGD, 200 images, 100 steps, Adv", _attack(lambda works: works.APGD, ADV), ADV),
    Row("Square, 200 images, 1000 queries, Adv", _attack(lambda works: works.SQUARE, ADV), ADV),
    Row(
        "minimum eps, 100 images, reference direction, Normal",
        _work("minimum_epsilon", "reference", 10, NORMAL),
        NORMAL,
        80,
    ),
    Row("minimum eps, 100 images, by sign, Normal", _work("minimum_epsilon", "sign", 20, NORMAL), NORMAL, 80),
    Row(
        "ISA, 50 images, 4 penalties, reference direction, Normal",
        _work("sneaking", "reference", 10, NORMAL),
        NORMAL,
        150,
    ),
    Row("ISA, 50 images, 4 penalties, by sign, Normal", _work("sneaking", "sign", 20, NORMAL), NORMAL),
    Row("AAI, 200 images, 200 steps", _attack(lambda works: works.TopKInterpretation(epsilon=0.3)), None, 200),
    Row(
        "integrated gradients, 100 midpoint points, Adv",
        _explain(lambda methods, model: methods.IntegratedGradients(model, steps=100, rule="midpoint"), ADV, 100),
        ADV,
    ),
    Row(
        "integrated gradients, largest gap of 100 midpoint points, Adv",
        _work("integrated_gradients_to_the_gap_of_peers", ADV),
        ADV,
        60,
    ),
    Row(
        "SmoothGrad, 50 samples, Adv",
        _explain(lambda methods, model: methods.SmoothGrad(methods.VanillaGradient(model), samples=50), ADV, 50),
        ADV,
        60,
    ),
    Row(
        "Occlusion, windows of 4, Adv",
        _explain(lambda methods, model: methods.Occlusion(model, window=4, stride=2), ADV),
        ADV,
    ),
    Row(
        "RISE, 500 masks, Adv",
        _explain(lambda methods, model: methods.RISE(model, mask_count=500, score="logit"), ADV),
        ADV,
    ),
    *(Row(f"{name}, 20 steps, Adv", _work("area", name, ADV), ADV) for name in ("deletion", "insertion")),
    Row("Grad-CAM", _explain(lambda methods, model: methods.GradCAM(model))),
    *(
        Row(f"{name}, {count} {title}", make(kind, architecture, count), faster=FASTER.get((name, architecture)))
        for title, kind, architecture, count in (
            ("images, CIFAR preact_resnet18", "cifar", "preact_resnet18", 20),
            ("photographs, EfficientNet-Lite0", "photographs", "efficientnet_lite0", 8),
        )
        for name, make in LARGER.items()
    ),
    Row(
        "Grad-CAM, a new object each time, 8 photographs, EfficientNet-Lite0",
        lambda works: works.new_attribution(works.attributions.GradCAM, 8, "photographs", "efficientnet_lite0"),
    ),
    Row("strong protocol, 100 images, Adv", _work("strong", ADV, 100), ADV),
    # 15 U an image and radius.
    Row("strong protocol of explanations, 50 images, Adv", _work("strong_explanations", ADV, 50), ADV, 1500),
    *(Row(f"{name}, 200 images, 50 steps, CIFAR small", _work("unforeseen", name, 50)) for name in UNFORESEEN),
    Row("ROAR retraining, an epoch of 10,000 images, small", _work("retraining_epoch", "small", 10_000)),
    Row("ROAR retraining, an epoch of 1,000 images, simple_cnn", _work("retraining_epoch", "simple_cnn", 1_000)),
)

"""The options of command lines that say what is trained in place of a recipe, and how a method is changed."""

from dataclasses import dataclass
from typing import ClassVar

from interp.core.argument_types import distance, nonnegative, number, whole_number
from interp.core.model_options import NETWORKS, ModelOptions
from interp.core.names import BATCH_STATISTICS, KEEPS, OBJECTIVE_TAGS
from interp.core.options import Options, option


@dataclass(frozen=True, kw_only=True)
class OwnModelOptions(ModelOptions):
    """What is trained in place of the networks of a number."""

    title: ClassVar[str] = "a model of your own, trained in place of the networks of a number"

    model: str | None = option(
        None, f"MODULE:FUNCTION, which builds a model by function() or function(image_shape, classes), or {NETWORKS}"
    )
    method: str | None = option(None, "training method", choices=OBJECTIVE_TAGS)
    epsilon: float | None = option(None, "radius of the inner attack", parse=distance, usual="by the dataset")
    batch_size: int | None = option(None, "images in a step", parse=whole_number(1), usual="by their number")
    learning_rate: float = option(
        1e-3, "learning rate of Adam; a tenth of it from 60% of the steps on", parse=number(above=0)
    )
    augment: bool = option(False, "crop and flip the images at random", parse=bool)
    batch_statistics: str = option(
        "each",
        "which statistics batch normalisation keeps; fixed keeps those it has, to train a trained model further on few images",
        choices=BATCH_STATISTICS,
    )

    @property
    def is_function(self) -> bool:
        """Whether the model is built by a function, MODULE:FUNCTION, and is no file or address."""
        text = self.model or ""
        return text.partition(":")[2].isidentifier() and "/" not in text


@dataclass(frozen=True, kw_only=True)
class MethodOptions(Options):
    """What the methods compare and weigh, and which weights are kept."""

    title: ClassVar[str] = "the second term of the loss, and which weights are kept"

    explanation: str | None = option(
        None, "maps that the method compares, such as grad_cam, gradient or ig", usual="those of the method"
    )
    softplus: float | None = option(
        None,
        "steepness of the softplus whose derivative stands in for ReLU's where the maps are gradients",
        parse=number(above=0),
        usual="20",
    )
    penalty_weight: float | None = option(
        None,
        "weight of the second term of the loss (lambda, beta of TRADES)",
        parse=nonnegative,
        usual="that of the method",
    )
    distance_weight: float | None = option(
        None,
        "of lga, what a squared distance of maps counts against half their cosine distance",
        parse=nonnegative,
        usual="0.01",
    )
    cross_entropy_attack: bool = option(
        False, "let the inner attack raise the cross-entropy, in place of the method's own term", parse=bool
    )
    keep: str | None = option(
        None,
        "which weights the file gets: of the last epoch, or of the one that is best on attacked validation images",
        choices=KEEPS,
        usual="last, for 9 and 10 best",
    )
    patience: int | None = option(
        None, "end after so many epochs without a better one", parse=whole_number(1), usual="all epochs"
    )
    average: float | None = option(
        None,
        "decay of an average of the weights over steps, which is kept in their place",
        parse=number(above=0, below=1),
        usual="none",
    )

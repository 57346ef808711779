"""What each table of the pages says, in one sentence that stands above it."""

# By the name of the table; in braces what its mark names.
MEANINGS = {
    "pgd": "Share of images that are still classified right when every pixel may move by eps, so higher is more robust; "
    "eps 0 is the clean accuracy.",
    "attack": "Share of images that are still classified right, without an attack (eps 0) and under the one that is named below the table.",
    "steps": "The same share at eps {epsilon} by the number of attack steps: a figure that still falls on the right needs more steps.",
    "strong": "Share of images that are still classified right at eps {epsilon}, under one attack, with random starts, and in the "
    "worst case over all attacks; `lost` is the first less the last.",
    "protocols": "Share of images that are still classified right, by the paper's protocol and in the worst case over all attacks of the "
    "strong one.",
    "aai": "Kendall tau between the maps of clean and attacked images: 1 is a map that did not move, 0 one in an unrelated order.",
    "explanations": "{measure} between clean and most moved maps while the prediction stays, beside random noise of the same radius "
    "(in the ball, at its corners): 1 is a map that did not move.",
    "topk": "Share of the strongest positions of a network's maps that are among the strongest of the other network's too: "
    "1 is the same positions.",
    "isa": "How far the map has to move when an attack changes the prediction: the larger the discrepancy, the harder an attack is "
    "to hide.",
    "bound": "The smallest radius that changes the prediction, a mean over images, and how far logits and maps have moved there; "
    "the last column counts images against the paper's bound.",
    "uar": "Accuracy under attacks that no network here was trained against, {goal}, by attack and budget: higher is more robust.",
    "erasing": "Accuracy of networks that were trained anew on images erased by each method's ranking, by the share that was erased "
    "({section}).",
    "selectivity": "Mean probability of the class while the strongest pixels go one after the other: the smaller the area, the better "
    "the method names them.",
    "faithfulness": "Each method by the measures that ask the model, in two tables; bold figures beat both controls, noise and edges.",
    "agreement": "Kendall tau of the rankings that two measures give the methods, columns by number; near 1 one would have done.",
    "retraining_agreement": "Kendall tau of the rankings by selectivity, ROAR and KAR with those by the measures that ask the model.",
    "networks": "Every network of this directory, with its accuracy on clean and attacked test images and how it was trained.",
    "times": "Minutes of training by method, and in brackets seconds an epoch.",
    "classes": "Accuracy on the test images of each class.",
    "leaderboard": "Each row is a network: its accuracy under the strong protocol, and for each explanation the Kendall tau under "
    "attack and under noise.",
    "seeds": "Networks that were trained several times, with other seeds: accuracies and Kendall tau by the strong protocols, and the mean "
    "with its standard error over seeds.",
    "seed_networks": "Each row is a network of another seed of training: its accuracy under the strong protocol, and for each explanation "
    "the Kendall tau under attack and under noise.",
    "own_protocol": "How well maps agree with those of clean images, by the attack and the measure of each method's own paper: 1 is a map "
    "that did not move. The aim holds where the method is better than Normal by more than two standard errors of the difference.",
}


def meaning(table: str, arguments: dict[str, str]) -> str:
    """The sentence of a table, in italics."""
    return f"*{MEANINGS[table].format(**{name: value.replace('_', ' ') for name, value in arguments.items()})}*"

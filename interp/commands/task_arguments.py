"""The command line of `eval_cmd.py`: its options, and what of them argparse cannot check."""

import argparse
from pathlib import Path

from interp.commands.command_line import Parser, number, numbers, radii, radius, ratios, whole_number, words
from interp.commands.tasks.listing import ATTRIBUTIONS, ENSEMBLES, LISTING, MAPS, SALIENCY
from interp.core.errors import InputError, check_choice

DATASETS = "digits, mnist, cifar10 or restimagenet"
NETWORK_TYPES = ("small", "pool", "wresnet", "simple_cnn")


def parser() -> argparse.ArgumentParser:
    """The command line of `eval_cmd.py`."""
    parser = Parser(
        "eval_cmd.py",
        "Evaluate one network: accuracy under attack, and how well its interpretations hold up.",
        (
            "--task pgd_attack --dataset mnist --network mnist_smallgap_int_20 --protocol strong",
            "--task isa_cam --dataset mnist --network mnist_smallgap_adv_20 --num_class two_class --penalties 1.2,1.4",
            "--task saliency --dataset digits --network my_model.keras --methods gradient,grad_cam",
        ),
    )
    tasks = "; ".join(f"{name}: {task.help}" for name, task in LISTING.items())
    what = parser.add_argument_group("what")
    what.add_argument("--task", required=True, metavar="TASK", help=tasks)
    what.add_argument("--dataset", required=True, help=DATASETS)
    what.add_argument(
        "--network",
        required=True,
        help="a name under networks/, or the path of a .safetensors file, of a pickle published with the paper (nothing in it is run), "
        "of a .weights.h5 file (with --network_type), or of a .keras model, which should be one that you trust: it says which classes "
        "to build; results of networks with the same task and options collect in one table",
    )
    what.add_argument(
        "--network_type", help=f"{', '.join(NETWORK_TYPES)}; the file says it, except for weights alone", default=None
    )
    what.add_argument(
        "--any_dataset",
        "--any-dataset",
        action="store_true",
        help="also evaluate a network that says it was trained on another dataset; the result is flagged",
    )
    what.add_argument("--num_image", type=whole_number(1), help="test images; 200 for accuracies, fewer for pictures")
    what.add_argument("--seed", type=whole_number(0), help="of the sample and of random starts; the paper's without it")
    maps = parser.add_argument_group("interpretations")
    maps.add_argument(
        "--inp_method",
        help=f"{', '.join(MAPS)}, or an ensemble over another, smooth_grad:METHOD (default: the first that the task takes)",
    )
    maps.add_argument("--num_class", default="two_class", help="one_class, two_class or all_class")
    maps.add_argument("--norm", default="l1", help="l1 or l2")
    maps.add_argument("--rep_l", type=int, default=-1, help="layer of tradeoff_repr; -1 is the last feature maps")
    maps.add_argument("--k", type=whole_number(1), default=8, help="strongest positions of the top-k tasks")
    maps.add_argument("--against", help="the other network of intr_topk; its Normal counterpart without it")
    attack = parser.add_argument_group("attacks")
    attack.add_argument("--epsilons", type=radii, help="radii, such as 0,0.1 or 8/255; (default: those of the paper)")
    attack.add_argument(
        "--steps", type=whole_number(1), help="200; for targeted attacks 20 a round, or 10 in the reference direction"
    )
    attack.add_argument("--step_size", type=radius, default=0.01, help="size of a step of PGD and top-k")
    attack.add_argument(
        "--restarts", type=whole_number(0), help="random starts; 0 starts at the image, as the paper did; strong: 5"
    )
    attack.add_argument(
        "--iterate", default="last", help="which iterate of PGD counts: last, worst or first (to succeed)"
    )
    attack.add_argument(
        "--attack-precision",
        default="float32",
        help="of pgd_attack by the reference protocol: float32, bfloat16, or auto, which times both once",
    )
    attack.add_argument(
        "--protocol",
        help="pgd_attack: reference (the paper's) or strong, which also flags; roar, kar: paper or whitebox; the first without it",
    )
    attack.add_argument("--queries", type=whole_number(1), default=1000, help="of the black-box attack")
    attack.add_argument("--direction", default="sign", help="of targeted attacks: sign, or reference as in the paper")
    attack.add_argument(
        "--penalties", type=numbers, default="1.25,1.5,1.75,2.0", help="radii of ISA as multiples of the smallest"
    )
    unforeseen = parser.add_argument_group("unforeseen attacks")
    unforeseen.add_argument(
        "--attacks",
        type=words,
        help="fog, snow, gabor, jpeg_linf, jpeg_l2, jpeg_l1, elastic; all but elastic without it",
    )
    unforeseen.add_argument("--budgets", default="default", help="default, or all six of each attack")
    unforeseen.add_argument(
        "--goal", default="random_target", help="random_target (the published one), untargeted or both"
    )
    unforeseen.add_argument(
        "--calibration",
        type=Path,
        help="JSON rows of attack, eps and ata: evaluates at those budgets and gives the UAR score",
    )
    saliency = parser.add_argument_group("attributions")
    saliency.add_argument(
        "--methods",
        type=words,
        help=f"{', '.join(ATTRIBUTIONS)}; ensembles over the gradient: {', '.join(ENSEMBLES)}, over another smooth_grad:METHOD; all "
        "that the network allows without it",
    )
    saliency.add_argument("--layer", help="of Grad-CAM; the last with a spatial output without it")
    saliency.add_argument("--points", type=whole_number(1), default=32, help="of integrated gradients")
    saliency.add_argument(
        "--samples", type=whole_number(1), help="of ensembles; 50 in saliency and coherence, 16 elsewhere"
    )
    saliency.add_argument(
        "--noise_level", type=number(above=0), default=0.15, help="of ensembles, of the image's range"
    )
    saliency.add_argument("--ranking", default="signed", help="how pixels are ranked: signed or magnitude")
    saliency.add_argument(
        "--patch",
        type=whole_number(1),
        help="side of what selectivity erases a step; (default: about 1%% of the image)",
    )
    retraining = parser.add_argument_group("roar and kar")
    retraining.add_argument("--ratios", type=ratios, default="0.1,0.3,0.5,0.7,0.9", help="between 0 and 1")
    retraining.add_argument("--seeds", type=whole_number(1), default=3, help="retrainings of each kind")
    retraining.add_argument("--train_image", type=whole_number(1), help="training images; by the dataset without it")
    retraining.add_argument("--epochs", type=whole_number(1), help="of a retraining; by the dataset without it")
    retraining.add_argument(
        "--retrain_type", help="architecture that is retrained; that of the network, on digits small, without it"
    )
    retraining.add_argument("--workers", type=whole_number(1), help="processes; one a core without it")
    retraining.add_argument("--ray", metavar="ADDRESS", help="of a Ray cluster that retrains; local starts one here")
    where = parser.add_argument_group("where")
    where.add_argument(
        "--networks_dir", type=Path, help="folder of networks; INTERP_NETWORKS_DIR and networks/ without it"
    )
    where.add_argument("--data_dir", type=Path, help="folder of datasets; INTERP_DATA_DIR without it")
    where.add_argument(
        "--output_dir", type=Path, default=Path("gen_images/tables"), help="tables (TSV) and records (JSON)"
    )
    where.add_argument("--picture_dir", type=Path, default=Path("gen_images"), help="pictures")
    where.add_argument(
        "--batch_size", type=whole_number(1), help="images in memory at a time; by their size without it"
    )
    return parser


def check_arguments(arguments: argparse.Namespace) -> str:
    """Check what argparse cannot; return the interpretation to look at. Raises InputError."""
    from interp.attacks.projected_gradient_descent import ITERATES
    from interp.attacks.targeted import DIRECTIONS
    from interp.attacks.unforeseen import GOALS, UNFORESEEN
    from interp.attributions import RANKINGS
    from interp.data import ALIASES, DATASETS
    from interp.discrepancy import NORMS, SELECTIONS
    from interp.evaluation import check_penalties
    from interp.models.low_precision import PRECISIONS

    check_choice("--task", arguments.task, LISTING)
    check_choice("--dataset", arguments.dataset, [*DATASETS, *ALIASES])
    check_choice("--num_class", arguments.num_class, SELECTIONS)
    check_choice("--norm", arguments.norm, NORMS)
    check_choice("--iterate", arguments.iterate, ITERATES)
    check_choice("--attack-precision", arguments.attack_precision, (*PRECISIONS, "auto"))
    protocols = LISTING[arguments.task].protocols
    known = dict.fromkeys(name for task in LISTING.values() for name in task.protocols)
    arguments.protocol = check_choice("--protocol", arguments.protocol or protocols[0], known)
    if arguments.protocol not in protocols:
        fitting = " and ".join(task for task, listed in LISTING.items() if arguments.protocol in listed.protocols)
        raise InputError(f"--protocol {arguments.protocol} is for {fitting}: leave it out for {arguments.task}")
    check_choice("--ranking", arguments.ranking, RANKINGS)
    check_choice("--goal", arguments.goal, (*GOALS, "both"))
    check_choice("--budgets", arguments.budgets, ("default", "all"))
    for name in arguments.attacks or ():
        check_choice("unforeseen attack", name, UNFORESEEN)
    for name in arguments.methods or ():
        _check_method(name)
    check_choice("--direction", arguments.direction, DIRECTIONS)
    if arguments.network_type is not None:
        check_choice("--network_type", arguments.network_type, NETWORK_TYPES)
    if arguments.retrain_type is not None:
        check_choice("--retrain_type", arguments.retrain_type, NETWORK_TYPES)
    check_penalties(arguments.penalties)
    for option, given, task in (
        ("--rep_l", arguments.rep_l != -1, "tradeoff_repr"),
        ("--attack-precision", arguments.attack_precision != "float32", "pgd_attack"),
        ("--against", arguments.against is not None, "intr_topk"),
        ("--patch", arguments.patch is not None, "selectivity"),
        ("--attacks", arguments.attacks is not None, "uar_attack"),
        ("--calibration", arguments.calibration is not None, "uar_attack"),
        ("--ray", arguments.ray is not None, "roar and kar"),
        ("--train_image", arguments.train_image is not None, "roar and kar"),
        ("--epochs", arguments.epochs is not None, "roar and kar"),
        ("--retrain_type", arguments.retrain_type is not None, "roar and kar"),
    ):
        if given and arguments.task not in task.split(" and "):
            raise InputError(f"{option} is for {task}: leave it out for {arguments.task}")
    if arguments.protocol == "strong" and arguments.attack_precision != "float32":
        raise InputError("--protocol strong searches in float32: leave --attack-precision out")
    if arguments.protocol == "strong" and arguments.restarts == 0:
        raise InputError("--protocol strong needs random starts: leave --restarts out, or give at least 1")
    methods = LISTING[arguments.task].methods
    method = str(arguments.inp_method or methods[0])
    ensemble, colon, base = method.partition(":")
    fits = base in methods and ensemble in ENSEMBLES if colon else method in methods
    if not fits:
        check_choice("--inp_method", base if colon and ensemble in ENSEMBLES else method, MAPS)
        if arguments.task == "uar_attack":
            raise InputError(f"{arguments.task} looks at predictions, --inp_method came as {method}: leave it out")
        if methods == SALIENCY:
            raise InputError(
                f"{arguments.task} takes attributions, --inp_method came as {method}: choose with --methods"
            )
        raise InputError(
            f"{arguments.task} looks at {' or '.join(methods[:3])}{' and so on' * (len(methods) > 3)}, --inp_method came as {method}: "
            "leave it out"
        )
    return method


def _check_method(name: str) -> None:
    ensemble, colon, base = name.partition(":")
    if colon:
        check_choice("ensemble", ensemble, ENSEMBLES)
        check_choice("method", base, ATTRIBUTIONS)
    else:
        check_choice("method", name, [*ATTRIBUTIONS, *ENSEMBLES])

"""Compare this package's AutoAttack with torchattacks' on the same weights and images: strength and time of one run each.

`python benchmarks/run_auto_attack.py .venv-peers/bin/python`. Needs MNIST and CIFAR-10 (INTERP_DATA_DIR) and the published networks
(INTERP_NETWORKS_DIR). Each side runs in a process of its own, ours from two seeds; the time of ours includes compilation. Where other
work runs beside it, the processor's seconds are the fairer figure.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from kept_rows import read_rows
from run import exit_code, made_by, result_of

from interp.core.command_line import Parser
from interp.core.errors import InputError
from interp.core.files import write_json
from interp.core.network_name import NORM_SUFFIXES

HERE = Path(__file__).resolve().parent
MNIST = [
    f"mnist_smallgap_{tag}_100" for tag in ("normal", "adv", "trades", "int", "intadv", "int2", "int2adv", "igsum")
]
CIFAR = [f"cifar_smallgap_{tag}_200" for tag in ("normal", "adv", "int")]
EPSILONS = {"linf": {"mnist": 0.3, "cifar": 8 / 255}, "l2": {"mnist": 1.5, "cifar": 0.5}}
SEEDS = (0, 1)


def main() -> int:
    """Run the comparison."""
    parser = Parser("benchmarks/run_auto_attack.py", __doc__)
    parser.add_argument("python", help="the interpreter of the peers' environment")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="PART",
        help="networks whose names hold one of these parts; others keep their figures",
    )
    parser.add_argument("--norm", choices=tuple(EPSILONS), default="linf", help="of the ball (default linf)")
    parser.add_argument(
        "--out", type=Path, help="file of the figures (default: one of each norm in benchmarks/results)"
    )
    arguments = parser.parse_args()
    return exit_code(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Export, attack on both sides, print, keep."""
    chosen = [name for name in (*MNIST, *CIFAR) if not arguments.only or any(part in name for part in arguments.only)]
    if not chosen or not Path(arguments.python).exists():
        raise InputError(f"nothing to compare: no network, or no interpreter at {arguments.python}")
    folder = os.environ.get("INTERP_NETWORKS_DIR")
    if not folder:
        raise InputError("INTERP_NETWORKS_DIR is not set, expected the folder of the published networks: set it")
    out = arguments.out or HERE / "results" / f"auto_attack{NORM_SUFFIXES[arguments.norm]}.json"
    # A choice of networks is measured anew, the figures of the others stay, each with the run that it is of.
    rows = read_rows(out) if arguments.only else {}
    if other := [name for name, row in rows.items() if row.get("epsilon") != _epsilon(arguments, name)]:
        raise InputError(f"{out} holds figures of {other[0]} in another ball than {arguments.norm}: name another file")
    # PyTorch's threads spin while they wait, which costs it many times its work where anything else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    print(
        f"{'':26s} {'ours':>12s} {'theirs':>7s} {'seconds':>8s} {'theirs':>8s} {'share':>6s} {'processor':>9s} {'theirs':>7s} {'share':>6s}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        for name in chosen:
            rows[name] = _compare(arguments, str(Path(folder) / f"{name}.pkl"), name, f"{temporary}/{name}.npz")
            print(_line(name, rows[name]), flush=True)
            write_json(out, {"rows": rows, "summary": _summary(rows)})
    for key, value in _summary(rows).items():
        print(f"{key}: {value:.4g}")
    print(f"written: {out}")
    return 0


def _compare(arguments: argparse.Namespace, network: str, name: str, exported: str) -> dict[str, Any]:
    epsilon = _epsilon(arguments, name)
    words = str(epsilon), arguments.norm
    result_of([sys.executable, str(HERE / "export.py"), network, exported, "--no-maps"])
    ours = [
        result_of([sys.executable, str(HERE / "auto_attack.py"), network, exported, *words, str(seed)])
        for seed in SEEDS
    ]
    script = str(HERE / "peers" / "auto_attack.py")
    theirs = result_of([arguments.python, script, exported, *words, "0"])
    found = {"ours": ours, "theirs": theirs, "load": os.getloadavg()[0]}
    return {"epsilon": epsilon, **found, "run": made_by(arguments)}


def _epsilon(arguments: argparse.Namespace, name: str) -> float | None:
    return EPSILONS[arguments.norm].get(name.split("_")[0])


def _line(name: str, row: dict[str, Any]) -> str:
    ours, theirs = row["ours"], row["theirs"]
    parts = [f"{name:26s}", " ".join(f"{each['robust accuracy']:.3f}" for each in ours).rjust(12)]
    parts.append(f"{theirs['robust accuracy']:7.3f}")
    for kind, width in (("seconds", 8), ("processor seconds", 9)):
        times = ours[0][kind], theirs[kind]
        parts.append(f"{times[0]:{width}.1f} {times[1]:{width - 2 * (width == 9)}.1f} {times[0] / times[1]:6.2f}")
    return " ".join(parts)


def _summary(rows: dict[str, Any]) -> dict[str, float]:
    """The worst of each demand over the networks."""
    pairs = [(row["ours"], row["theirs"]) for row in rows.values()]
    accuracy = "robust accuracy"
    return {
        "largest gap": max(each[accuracy] - theirs[accuracy] for ours, theirs in pairs for each in ours),
        "mean gap": statistics.mean(ours[0][accuracy] - theirs[accuracy] for ours, theirs in pairs),
        "largest difference of seeds": max(abs(ours[0][accuracy] - ours[1][accuracy]) for ours, _ in pairs),
        "share of all seconds": sum(ours[0]["seconds"] for ours, _ in pairs)
        / sum(theirs["seconds"] for _, theirs in pairs),
        "share of all processor seconds": sum(ours[0]["processor seconds"] for ours, _ in pairs)
        / sum(theirs["processor seconds"] for _, theirs in pairs),
    }


if __name__ == "__main__":
    sys.exit(main())

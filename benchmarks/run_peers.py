"""Measure this package and its peers on the same weights, images and steps, and print how many times as fast it is: `make bench-peers`.

Needs MNIST (INTERP_DATA_DIR), the network mnist_smallgap_adv_100 (INTERP_NETWORKS_DIR) and what `make real-network` writes. Every row
runs in a process of its own beside one that measures U, ours before and after the peers of each comparison; what a row found stands
beside its time.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kept_rows import read_rows
from rows import ADV
from run import exit_code, made_by, result_of

from interp.core.argument_types import whole_number
from interp.core.command_line import Parser
from interp.core.errors import InputError
from interp.core.files import write_json

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "peers.json"

# The works of the larger networks, and their peers.
PGD = "PGD, 10 steps"
LARGER = {
    PGD: ("torchattacks_pgd", "foolbox_pgd", "foolbox_pgd_tensorflow"),
    "AutoPGD, 10 steps": ("art_auto_pgd",),
    "Grad-CAM": ("captum_grad_cam", "xplique_grad_cam"),
    "integrated gradients, 16 points": ("captum_integrated_gradients", "xplique_integrated_gradients"),
    "SmoothGrad, 16 samples": ("captum_smooth_grad", "xplique_smooth_grad"),
}


@dataclass(frozen=True)
class Comparison:
    """Our row, the peers' works with how many times as fast ours should be, and the network, as export.py names it."""

    ours: str
    peers: dict[str, float | None]
    network: str = ADV


COMPARISONS = (
    Comparison(
        "PGD, 200 images, 40 steps, Adv",
        {
            "torchattacks_pgd": 10,
            "foolbox_pgd_tensorflow": 12,
            "art_pgd_tensorflow": 12,
            "foolbox_pgd": 10,
            "art_pgd": None,
        },
    ),
    Comparison("AutoPGD, 200 images, 100 steps, Adv", {"art_auto_pgd": None}),
    Comparison("Square, 200 images, 1000 queries, Adv", {"art_square": None}),
    Comparison(
        "integrated gradients, largest gap of 100 midpoint points, Adv",
        {"captum_integrated_gradients": 9, "xplique_integrated_gradients": 9},
    ),
    Comparison("SmoothGrad, 50 samples, Adv", {"captum_smooth_grad": 6, "xplique_smooth_grad": 6}),
    Comparison("Occlusion, windows of 4, Adv", {"captum_occlusion": 3, "xplique_occlusion": 3}),
    # Captum has neither RISE nor deletion and insertion.
    Comparison("RISE, 500 masks, Adv", {"xplique_rise": 3}),
    Comparison("deletion, 20 steps, Adv", {"xplique_deletion": 3}),
    Comparison("insertion, 20 steps, Adv", {"xplique_insertion": 3}),
    *(
        Comparison(f"{work}, {title}", dict.fromkeys(peers) | (goals if work == PGD else {}), network)
        for network, title, goals in (
            ("preact_resnet18", "20 images, CIFAR preact_resnet18", {}),
            # Needs what `make real-network` writes.
            (
                "efficientnet_lite0",
                "8 photographs, EfficientNet-Lite0",
                {"foolbox_pgd_tensorflow": 5, "foolbox_pgd": 8},
            ),
        )
        for work, peers in LARGER.items()
    ),
)


def main() -> int:
    """Run the comparisons."""
    parser = Parser("benchmarks/run_peers.py", __doc__)
    parser.add_argument("python", help="the interpreter of the peers' environment")
    parser.add_argument("--rounds", type=whole_number(1), default=3, help="rounds of each row (default 3)")
    parser.add_argument("--only", nargs="+", metavar="PART", help="comparisons whose names hold one of these parts")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the figures")
    arguments = parser.parse_args()
    return exit_code(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Export, measure, print, keep."""
    chosen = [row for row in COMPARISONS if not arguments.only or any(part in row.ours for part in arguments.only)]
    if not chosen:
        raise InputError(
            f"no comparison has {' or '.join(arguments.only)} in its name, such as {COMPARISONS[0].ours!r}"
        )
    if not Path(arguments.python).is_file():
        raise InputError(
            f"no interpreter at {arguments.python}: make the peers' environment, `make .venv-peers/.installed`"
        )
    # Rows that are not measured now stay, each with the run that it is of.
    kept = read_rows(arguments.out)
    with tempfile.TemporaryDirectory() as folder:
        exported = {row.network: f"{folder}/{row.network}.npz" for row in chosen}
        for network, file in exported.items():
            result_of([sys.executable, str(HERE / "export.py"), network, file])
        print(f"{'':64s} {'seconds':>8s} {'U':>7s} {'times':>6s} {'wanted':>6s} {'GiB':>5s}  found")
        for comparison in chosen:
            ours = [_ours(comparison, arguments.rounds)]
            peers = {}
            for name in comparison.peers:
                command = [arguments.python, str(HERE / "peers" / "measure.py"), name, exported[comparison.network]]
                peers[name] = result_of([*command, str(arguments.rounds), sys.executable])
            ours.append(_ours(comparison, arguments.rounds))
            mean = {kind: statistics.mean(part[kind] for part in ours) for kind in ("units", "seconds")}
            _print(comparison.ours, {**ours[0], **mean}, "", "")
            for name, peer in peers.items():
                peer["times"] = peer["units"] / mean["units"]
                wanted = comparison.peers[name]
                _print(f"    {name}", peer, f"{peer['times']:.1f}", "" if wanted is None else f"{wanted:g}")
            # At once, as a later comparison may fail.
            kept[comparison.ours] = {"ours": ours, "peers": peers, "run": made_by(arguments)}
            kept = {row.ours: kept[row.ours] for row in COMPARISONS if row.ours in kept}
            write_json(arguments.out, {"rows": kept})
    print(f"written: {arguments.out}")
    return 0


def _ours(comparison: Comparison, rounds: int) -> dict[str, Any]:
    result = result_of([sys.executable, str(HERE / "measure.py"), comparison.ours, str(rounds)])
    if "skipped" in result:
        raise InputError(result["skipped"])
    return result


def _print(name: str, result: dict[str, Any], times: str, wanted: str) -> None:
    found = ", ".join(f"{key} {value:.3g}" for key, value in result["found"].items())
    print(
        f"{name:64s} {result['seconds']:8.3f} {result['units']:7.1f} {times:>6s} {wanted:>6s} {result['peak_gib']:5.2f}  {found}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

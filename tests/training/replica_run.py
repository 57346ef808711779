"""Twenty steps of Int by one replica, two logical CPUs, or as one of several workers; writes the weights to a file."""

import sys

import numpy as np

from interp.training.replicas import make_strategy


def main() -> None:
    kind, target, architecture = sys.argv[1:4]
    strategy = make_strategy(kind, 2 if kind == "mirrored" else None)
    if architecture.startswith("from step "):
        from interp.training.replicas import check_agreement

        with strategy.scope():
            check_agreement(int(architecture.removeprefix("from step ")), "the same arguments")
        return
    from interp import data
    from interp.models import build_network
    from interp.training import Schedule, find_objective, train

    with strategy.scope():
        network = build_network(architecture, (28, 28, 1), 10)
        schedule = Schedule(
            epochs=1,
            batch_size=25,
            learning_rates=((0, 1e-3),),
            epsilon=0.1,
            ramp=(0, 5),
            attack_steps=3,
            attack_step_size=0.05,
        )
        objective = find_objective("int" if architecture == "small" else "normal")
        train(network, objective, data.load("digits", "train").take(500), schedule)
    np.savez(target, *[np.asarray(variable) for variable in network.variables])
    print(f"{strategy.num_replicas_in_sync} replicas")


if __name__ == "__main__":
    main()

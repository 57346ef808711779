"""Twenty steps by one replica, two logical CPUs, or as one of several workers; writes the weights to a file."""

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
    import keras

    from interp import data
    from interp.models import build_network
    from interp.training import Schedule, find_objective, train

    layers = keras.layers
    with strategy.scope():
        if architecture == "smooth":
            keras.utils.set_random_seed(3)
            network = keras.Sequential(
                [
                    keras.Input((28, 28, 1)),
                    *(
                        layers.Conv2D(6, 5, strides=3),
                        layers.BatchNormalization(momentum=0.8),
                        layers.Activation("softplus"),
                    ),
                    *(layers.Flatten(), layers.Dense(20), layers.BatchNormalization(), layers.Activation("tanh")),
                    layers.Dense(10),
                ]
            )
        else:
            network = build_network(architecture, (28, 28, 1), 10)
        start = [np.asarray(variable) for variable in network.variables]
        schedule = Schedule(
            epochs=1,
            batch_size=25,
            learning_rates=((0, 1e-3),),
            epsilon=0.1,
            ramp=(0, 5),
            attack_steps=3,
            attack_step_size=0.05,
        )
        objective = find_objective({"small": "int", "smooth": "adv"}.get(architecture, "normal"))
        # Adam makes steps of rounding errors where a gradient is next to 0.
        rate = {"small": None, "smooth": 0.05, "simple_cnn": 1e-3, "preact_resnet18": 1e-4}[architecture]
        optimizer = None if rate is None else keras.optimizers.SGD(rate)
        train(network, objective, data.load("digits", "train").take(500), schedule, optimizer=optimizer)
    weights = [np.asarray(variable) for variable in network.variables]
    assert max(np.abs(last - first).max() for first, last in zip(start, weights, strict=True)) > 0.01
    np.savez(target, *weights)
    print(f"{strategy.num_replicas_in_sync} replicas")


if __name__ == "__main__":
    main()

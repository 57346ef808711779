"""This package's AutoAttack on an exported network in this process: `python auto_attack.py NETWORK EXPORTED EPSILON NORM SEED`."""

import json
import sys
import time

import numpy as np

from interp import share_cores_among_streams


def main() -> None:
    """Print seconds, compilation included, and which images still classify right, as a line of JSON."""
    share_cores_among_streams()  # before TensorFlow is imported
    from interp.attacks import AutoAttack
    from interp.models import load_model

    name, exported, epsilon, norm, seed = sys.argv[1:]
    arrays = dict(np.load(exported))
    network = load_model(name)
    attack = AutoAttack(epsilon=float(epsilon), norm=norm)
    began, used = time.perf_counter(), time.process_time()
    found = attack.run(network, arrays["images"], arrays["labels"], seed=int(seed))
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    moved = (found.adversarial - arrays["images"]).reshape(len(found.broken), -1)
    size = np.abs(moved).max(1) if norm == "linf" else np.linalg.norm(moved, axis=1)
    names, counts = np.unique(found.broken_by.astype(str), return_counts=True)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "processor seconds": processor,
                "robust accuracy": float(1 - found.broken.mean()),
                "largest distance": float(size.max()),
                "broken by": {name or "nothing": int(count) for name, count in zip(names, counts, strict=True)},
                "right": np.flatnonzero(~found.broken).tolist(),
            }
        )
    )


if __name__ == "__main__":
    main()

"""torchattacks' AutoAttack on an exported network, in the peers' environment: `python auto_attack.py EXPORTED EPSILON NORM SEED`."""

import json
import sys
import time
import warnings

import numpy as np
import torchattacks

from networks import to_torch, torch_images, torch_network


def main() -> None:
    """Print seconds, and which images still classify right, as a line of JSON."""
    warnings.simplefilter("ignore")
    exported, epsilon, norm, seed = sys.argv[1:]
    arrays = dict(np.load(exported))
    network = torch_network(arrays)
    images, labels = to_torch(torch_images(arrays)), to_torch(arrays["labels"])
    attack = torchattacks.AutoAttack(
        network, norm={"linf": "Linf", "l2": "L2"}[norm], eps=float(epsilon), version="standard", seed=int(seed)
    )
    began, used = time.perf_counter(), time.process_time()
    found = attack(images, labels)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    right = (network(found).argmax(1) == labels).cpu().numpy()
    moved = (found - images).flatten(1)
    size = moved.abs().amax(1) if norm == "linf" else moved.norm(dim=1)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "processor seconds": processor,
                "robust accuracy": float(right.mean()),
                "largest distance": float(size.max()),
                "right": np.flatnonzero(right).tolist(),
            }
        )
    )


if __name__ == "__main__":
    main()

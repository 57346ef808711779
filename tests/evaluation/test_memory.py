"""What hides parts of images of 224x224 stays below 3 GiB on a network of usual size, each in a process of its own."""

import json
import subprocess
import sys

import pytest

MOST_GIBIBYTES = 3.0
WORKS = {
    "occlusion": "Occlusion(model)(images, labels)",
    "rise, 500 masks": "RISE(model, mask_count=500)(images, labels)",
    "deletion": "Deletion()(model, images, labels, maps)",
    "insertion": "Insertion()(model, images, labels, maps)",
}
# Weights do not change how much memory is needed.
PROGRAM = """
import json, resource, sys
import keras, numpy as np
from interp.attributions import RISE, Occlusion
from interp.evaluation import Deletion, Insertion
model = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
generator = np.random.RandomState(0)
images, labels = generator.rand(COUNT, 224, 224, 3).astype("float32"), np.arange(COUNT)
maps = generator.rand(COUNT, 224, 224, 1).astype("float32")
found = np.asarray(WORK)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
print(json.dumps({"peak": peak, "shape": found.shape, "finite": bool(np.isfinite(found).all())}))
"""


def measure(work: str, count: int) -> dict:
    """Peak in GiB, and what was found of `count` images."""
    program = PROGRAM.replace("WORK", work).replace("COUNT", str(count))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_large_images_stay_below_3_gib(name):
    # As many as are in memory at a time: two for a map of hundreds of passes, a block of 32 for a measure.
    count = 32 if name in ("deletion", "insertion") else 2
    found = measure(WORKS[name], count)
    assert found["shape"][0] == count
    assert found["finite"]
    assert 0.3 < found["peak"] < MOST_GIBIBYTES

"""Models that plain Keras trained on a folder of pictures, through the command lines."""

import json
import shutil
import sys
from itertools import pairwise
from types import SimpleNamespace

import keras
import pytest

from interp.attributions import find_attribution
from interp.attributions.interpretation_maps import maps_batch
from interp.commands import evaluate
from interp.commands.evaluate_network import main
from interp.core.errors import ArgumentError
from interp.core.model_options import OPTION_NAMES
from interp.evaluation.tradeoff import selections_of
from tests.commands.own_pictures import KINDS, L, right_by_keras, trained, write_pictures

SMALL = ("softmax", "logits")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The pictures, the small models by kind, and their files."""
    folder = tmp_path_factory.mktemp("own")
    pictures = write_pictures(folder / "pics")
    models = {kind: trained(kind, pictures) for kind in SMALL}
    for kind, model in models.items():
        model.save(folder / f"{kind}.keras")
    return SimpleNamespace(folder=folder, pictures=pictures, models=models)


def words(place, network, out, task="pgd_attack", side=16, count=4, **options):
    given = {"task": task, "dataset": place.pictures, "image-size": side, "unreadable": "skip", "network": network}
    given |= {"num-image": count, "output-dir": out, "picture-dir": out, **options}
    return [f"--{name}={value}" for name, value in given.items()]


QUICK = {"steps": 1, "epsilons": "0,4/255"}


def record_of(folder):
    [path] = folder.rglob("*.json")
    return json.loads(path.read_text())


@pytest.mark.integration
@pytest.mark.parametrize("kind", SMALL)
def test_the_scale_and_the_accuracy_are_told_first_and_are_those_of_keras(call, place, tmp_path, kind):
    right, count = right_by_keras(place.models[kind], place.pictures, 16)
    result = call(main, words(place, place.folder / f"{kind}.keras", tmp_path, count=count, **QUICK))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"input scale of {kind}: 0..255, as ")
    assert ("the model scales images itself" if kind == "softmax" else "clean accuracy on 30 images is") in lines[0]
    assert lines[1] == f"clean accuracy of {kind}: {right / count:.3f} ({right} of {count} images)"
    record = record_of(tmp_path)
    assert record["rows"][0][:2] == [0, right / count]
    assert record["network"]["input scale"] == "0..255"
    assert record["network"]["class"] == "Sequential"
    assert record["clean_accuracy"] == {"accuracy": right / count, "images": count}
    assert "chance accuracy" not in [flag["kind"] for flag in record["flags"]]


# What makes each task short, and on which kinds of models it is refused, with the way out.
NO_CAM = {"softmax": "--inp-method grad_cam"}
SEARCH = {"steps": 1, "penalties": "1.5"}
GRAD_CAM = {"inp-method": "grad_cam"}
TASKS = [
    ("pgd_attack", {"protocol": "strong", "queries": 2, "restarts": 1, "steps": 1, "epsilons": "4/255"}, {}),
    ("min_pgd_attack", {"steps": 1}, NO_CAM),
    ("min_pgd_attack", {"steps": 1, **GRAD_CAM}, {}),
    ("isa_cam", SEARCH, NO_CAM),
    ("isa_cam", {**SEARCH, **GRAD_CAM}, {}),
    ("isa_ig", SEARCH, {}),
    ("tradeoff_cam", {**SEARCH, "inp-method": "gradient"}, {}),
    ("tradeoff_ig", SEARCH, {}),
    ("tradeoff_repr", SEARCH, {"softmax": "--rep-l"}),
    ("tradeoff_repr", {**SEARCH, "rep-l": 0}, {}),
    ("attack_and_display", {"steps": 1, **GRAD_CAM}, {}),
    ("vis_cam", {"steps": 1}, NO_CAM),
    ("vis_cam", {"steps": 1, **GRAD_CAM}, {}),
    ("intr_topk", {"against": "SELF", **GRAD_CAM}, {}),
    ("aai_topk", {"steps": 1, **GRAD_CAM}, {}),
    ("uar_attack", {"steps": 1, "attacks": "jpeg_linf"}, {}),
    ("saliency", {"samples": 2, "points": 4}, {}),
    ("saliency", {"methods": "grad_cam", "layer": "LAYER"}, {}),
    ("coherence", {"samples": 2, "methods": "gradient"}, {}),
    ("selectivity", {"samples": 2, "methods": "grad_cam", "steps": 2}, {}),
    ("sanity_check", {"samples": 2, "methods": "gradient,grad_cam"}, {}),
]
# The rest of the tasks takes long.
FAST = ("saliency {'methods'", "min_pgd_attack")


@pytest.mark.integration
@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize(
    ("task", "options", "refused"),
    [pytest.param(*each, marks=[] if f"{each[0]} {each[1]}".startswith(FAST) else pytest.mark.slow) for each in TASKS],
)
def test_every_task_runs_or_is_refused_with_the_way_out(call, place, tmp_path, kind, task, options, refused):
    network = place.folder / f"{kind}.keras"
    filled = {
        name: {"SELF": network, "LAYER": KINDS[kind][2]}.get(value, value) if isinstance(value, str) else value
        for name, value in options.items()
    }
    result = call(main, words(place, network, tmp_path, task=task, **filled))
    if kind in refused:
        assert result.returncode == 2
        assert refused[kind] in result.stderr
        assert len([line for line in result.stderr.splitlines() if line.startswith("error")]) == 1
    else:
        assert result.returncode == 0, result.stderr
        assert record_of(tmp_path)["network"]["input scale"] == "0..255"


@pytest.mark.slow
def test_a_nested_model_goes_through_tasks_that_look_at_layers(call, tmp_path):
    pictures = write_pictures(tmp_path / "pics", sides=(96, 110))
    place = SimpleNamespace(pictures=pictures)
    model = trained("nested", pictures)
    model.save(tmp_path / "nested.keras")
    right, count = right_by_keras(model, pictures, 96)
    for number, (task, options) in enumerate(
        [
            ("pgd_attack", {"count": count, **QUICK}),
            ("saliency", {"methods": "grad_cam,cam,gradient", "layer": "Conv_1"}),
            ("sanity_check", {"methods": "gradient"}),
            ("isa_cam", SEARCH),
        ]
    ):
        out = tmp_path / str(number)
        result = call(main, words(place, tmp_path / "nested.keras", out, task=task, side=96, **options))
        assert result.returncode == 0, result.stderr
        if task == "pgd_attack":
            assert f"({right} of {count} images)" in result.stdout


@pytest.mark.integration
def test_a_guess_between_equally_good_scales_is_refused_in_the_spelling_of_the_command_line(call, place, tmp_path):
    constant = L.Dense(3, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant([2.0, 1.0, -1.0]))
    keras.Sequential([keras.Input((16, 16, 3)), L.Flatten(), constant]).save(tmp_path / "constant.keras")
    # What is right of it is right whatever the scale.
    inputs = keras.Input((16, 16, 3))
    darker = L.Rescaling(1.0)(inputs)
    means = L.GlobalAveragePooling2D()(darker - keras.ops.mean(darker, -1, keepdims=True))
    keras.Model(inputs, means).save(tmp_path / "relative.keras")
    for name, message in (("constant", "--input-scale auto found no scale"), ("relative", "cannot tell '0..1' and")):
        result = call(main, words(place, tmp_path / f"{name}.keras", tmp_path / "out"))
        assert result.returncode == 2
        assert message in result.stderr
        assert "give --input-scale as in training" in result.stderr
        assert "scale=" not in result.stderr
    # The way out.
    result = call(main, words(place, tmp_path / "relative.keras", tmp_path / "out", **{"input-scale": "tf"}, **QUICK))
    assert result.returncode == 0, result.stderr
    assert "input scale of relative: tf, as it was given" in result.stdout


@pytest.mark.integration
def test_an_accuracy_at_chance_is_flagged_before_the_work_and_in_the_record(call, place, tmp_path):
    given = {"input-scale": "1,1,1,1,1,1", "methods": "gradient"}
    result = call(main, words(place, place.folder / "logits.keras", tmp_path, task="saliency", **given))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[2].startswith("flagged: the clean accuracy of")
    record = record_of(tmp_path)
    assert [flag["kind"] for flag in record["flags"]] == ["chance accuracy"]
    assert record["arguments"]["input_scale"] == [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    assert record["network"]["input scale"] == given["input-scale"]


class Halved(L.Layer):
    def call(self, inputs):
        return inputs / 2


def two_ended(place):
    model = place.models["softmax"]
    inputs = keras.Input((16, 16, 3))
    scores = model(inputs)
    return keras.Model(inputs, {"kind": scores, "colour": scores[:, :2]})


@pytest.mark.slow
def test_where_models_come_from(call, place, tmp_path, monkeypatch):
    """Each form of --network with what it needs, and the name of its results: the accuracies are the same."""
    monkeypatch.chdir(tmp_path)
    model = place.models["softmax"]
    right, count = right_by_keras(model, place.pictures, 16)
    model.save("older.h5")
    two_ended(place).save("two.keras")
    place.models["logits"].export("exported", verbose=False)
    (tmp_path / "my_layers.py").write_text(
        "import keras\nclass Halved(keras.layers.Layer):\n    def call(self, inputs):\n        return inputs / 2\n"
    )
    keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(2.0), Halved(), *model.layers]).save("classes.keras")
    hub = type(sys)("huggingface_hub")
    hub.hf_hub_download = lambda **_: str(place.folder / "softmax.keras")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setattr("interp.core.hub_files.find_spec", lambda name: object())
    of_logits = right_by_keras(place.models["logits"], place.pictures, 16)[0]
    for network, name, options, expected in (
        ("older.h5", "older", {}, right),
        ("two.keras", "two", {"output": "kind"}, right),
        ("two.keras", "two", {"output": "1", "input-scale": "0..255"}, right),
        ("exported", "exported", {}, of_logits),
        ("classes.keras", "classes", {"custom-objects": "my_layers:Halved", "input-scale": "0..255"}, right),
        ("hf://owner/models/a/softmax.keras", "owner_models_a_softmax", {}, right),
    ):
        # Of two outputs the order in the file is that of their names.
        if options.get("output") == "1":
            options = {**options, "output": str(list(two_ended(place).output).index("kind"))}
        out = tmp_path / "out" / name
        result = call(main, words(place, network, out, task="saliency", count=count, methods="gradient", **options))
        assert result.returncode == 0, result.stderr
        assert f"clean accuracy of {name}: {expected / count:.3f} ({expected} of {count} images)" in result.stdout
        assert record_of(out)["arguments"]["output"] == (None if "output" not in options else parsed(options["output"]))


def parsed(text):
    return int(text) if text.isdigit() else text


@pytest.mark.slow
def test_architectures_of_keras_applications(call, tmp_path):
    pictures = write_pictures(tmp_path / "pics", sides=(32, 40))
    model = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=3)
    keras.applications.MobileNet((32, 32, 3), weights=None, classes=3).save_weights(tmp_path / "mine.weights.h5")
    place = SimpleNamespace(pictures=pictures)
    given = {"weights": tmp_path / "mine.weights.h5", "input-scale": "tf", "methods": "gradient"}
    line = words(place, "keras.applications.MobileNet", tmp_path / "out", task="saliency", side=32, **given)
    result = call(main, line)
    assert result.returncode == 0, result.stderr
    assert "clean accuracy of MobileNet_mine:" in result.stdout
    model.save_weights(tmp_path / "mine.weights.h5")
    result = call(main, line)
    assert result.returncode == 2
    assert "does not hold the weights of keras.applications.MobileNet" in result.stderr


@pytest.mark.integration
def test_an_experiment_is_run_again_when_what_was_said_of_the_model_changed(call, place, tmp_path, monkeypatch):
    line = ["3", "--only", "saliency", "--dataset", place.pictures, "--image-size", "16", "--unreadable", "skip"]
    line += ["--networks", place.folder / "logits.keras", "--num-image", "3", "--out", tmp_path]
    line += ["--task-options", "--methods gradient"]
    path = tmp_path / "saliency" / "logits.json"
    times = []
    for more in ([], [], ["--input-scale", "tf"], ["--input-scale", "tf"], []):
        result = call(evaluate.main, [*line, *more])
        assert result.returncode == 0, result.stderr
        record = json.loads(path.read_text())
        times.append(path.stat().st_mtime_ns)
        assert record["made_of"]["model"]["input_scale"] == ("tf" if more else "auto")
        assert record["network"]["input scale"] == ("tf" if more else "0..255")
    assert [later > earlier for earlier, later in pairwise(times)] == [False, True, False, True]


@pytest.mark.integration
def test_models_of_a_directory_are_current_until_it_changes(call, place, tmp_path):
    place.models["logits"].export(tmp_path / "exported", verbose=False)
    line = ["3", "--only", "saliency", "--dataset", place.pictures, "--image-size", "16", "--unreadable", "skip"]
    line += ["--networks", tmp_path / "exported", "--num-image", "3", "--out", tmp_path / "out"]
    line += ["--task-options", "--methods gradient"]
    path, times = tmp_path / "out" / "saliency" / "exported.json", []
    for change in (False, False, True):
        if change:
            (tmp_path / "exported" / "assets" / "note.txt").write_text("another")
        assert call(evaluate.main, line).returncode == 0
        times.append(path.stat().st_mtime_ns)
    assert times[0] == times[1] < times[2]


def test_maps_of_all_of_many_classes_are_bounded():
    """Class activation maps of 1,000 classes are one product; others would follow a gradient for each."""
    many = (1000, (224, 224, 3), 4)
    assert maps_batch(find_attribution("cam"), *many) == 4
    for name in ("grad_cam", "gradient", "ig"):
        method = find_attribution(name)
        with pytest.raises(ArgumentError, match="1000 classes follows a gradient for each") as caught:
            maps_batch(method, *many)
        assert "--num-class two_class" in str(caught.value.with_options(OPTION_NAMES))
        assert maps_batch(method, 2, (224, 224, 3), 250) == 2
        assert maps_batch(method, 10, (28, 28, 1), 250) == 76
    assert list(selections_of("cam", *many[:2])[0]) == ["one_class", "two_class", "all_class"]
    names, [note] = selections_of("grad_cam", *many[:2])
    assert list(names) == ["one_class", "two_class"]
    assert note.startswith("all_class left out: GradCAM of 1000 classes")


@pytest.mark.integration
def test_retrainings_take_the_images_that_can_be_read(call, tmp_path):
    """Files that are left out counted as training images, and more were asked for than there are."""
    pictures = write_pictures(tmp_path / "pics", train=12, test=3)
    for number in range(5, 9):
        (pictures / "train" / "birch" / f"{number:02d}.png").write_bytes(b"no picture")
    model = keras.Sequential([keras.Input((16, 16, 3)), L.Conv2D(2, 3), L.GlobalAveragePooling2D(), L.Dense(3)])
    model.save(tmp_path / "tiny.keras")
    short = {"methods": "gradient", "ratios": 0.5, "seeds": 1, "epochs": 1, "workers": 1, "input-scale": "0..1"}
    # The retrainings on another set of as many images are kept apart.
    others = pictures.with_name("others")
    shutil.copytree(pictures, others)
    (others / "test/birch/00.png").write_bytes((others / "test/birch/01.png").read_bytes())
    for each in (pictures, others):
        place = SimpleNamespace(pictures=each)
        result = call(main, words(place, tmp_path / "tiny.keras", tmp_path / "out", task="roar", count=9, **short))
        assert result.returncode == 0, result.stderr
    # A tenth of each class, and one image at least, is drawn for validation.
    assert json.loads((tmp_path / "out/roar_pics_paper/tiny.json").read_text())["train_images"] in (
        3 * 11 - 4,
        3 * 11 - 3,
    )


@pytest.mark.integration
def test_a_result_on_another_set_of_the_same_name_is_not_replaced(call, place, tmp_path):
    """Names of files have letters and digits of ASCII alone, so sets may share one."""
    sets = [write_pictures(tmp_path / name, train=1, test=count) for name, count in (("猫", 4), ("犬", 5))]

    def evaluated(pictures):
        asked = words(SimpleNamespace(pictures=pictures), place.folder / "logits.keras", tmp_path / "out", **QUICK)
        return call(main, [*asked, "--input-scale=0..255"])

    first = evaluated(sets[0])
    assert first.returncode == 0, first.stderr
    kept = record_of(tmp_path / "out")
    other = evaluated(sets[1])
    assert other.returncode == 2
    assert f"is the result on the images of {sets[0]}: choose another --output-dir" in other.stderr
    assert record_of(tmp_path / "out") == kept
    # The same images may lie elsewhere.
    (tmp_path / "moved").mkdir()
    again = evaluated(sets[0].rename(tmp_path / "moved" / "猫"))
    assert again.returncode == 0, again.stderr

"""Records of earlier versions of the saliency suite: their values with the fields that they lack, as in older_records."""

import re
from typing import Any

from interp.evaluation.older_records import Values, mean_values, recorded_columns, text_of, with_images


def completed_selectivity(values: Values) -> Values:
    """How the maps of SelectivityCurves were made, from the caption."""
    return {**_settings(values, "the more selective; "), **with_images(values)}


def completed_coherence(values: Values) -> Values:
    """Methods of a Coherence and their shares; on how many images a share was defined was not said, so all of them count."""
    columns = recorded_columns(values)
    values = {**_settings(values, "random baseline; "), **with_images(values)}
    names = ("method", "share on object", "standard error")
    if "methods" in values or not set(names) <= columns.keys():
        return values
    shares = [
        mean_values(share, error, values.get("images"))
        for share, error in zip(columns["share on object"], columns["standard error"], strict=True)
    ]
    masked = values.get("object_share") is not None
    return {**values, "methods": columns["method"], "on_object": shares if masked else None}


def completed_sanity_check(values: Values) -> Values:
    """Correlations of a SanityCheck were numbers alone; how many maps they are of stood in the table."""
    columns = recorded_columns(values)
    values = {**_settings(values, "constant do not count; "), **with_images(values)}
    if not {"method", "images", "expected"} <= columns.keys():
        return values
    counts = dict(zip(columns["method"], columns["images"], strict=True))

    def means(curves: Any) -> Any:
        if not isinstance(curves, dict):
            return curves
        return {
            name: [each if isinstance(each, dict) else mean_values(each, None, counts.get(name)) for each in curve]
            if isinstance(curve, list)
            else curve
            for name, curve in curves.items()
        }

    words = {"passes": True, "fails": False}
    expected = {name: words.get(cell) for name, cell in zip(columns["method"], columns["expected"], strict=True)}
    return {
        "expected": expected,
        **values,
        "signed": means(values.get("signed")),
        "magnitudes": means(values.get("magnitudes")),
    }


def completed_roar_kar(values: Values) -> Values:
    """What the caption and the table of a RoarKar said; of the training on images as they are, its mean alone."""
    columns, caption = recorded_columns(values), text_of(values.get("caption"))
    told = re.match(
        r"(?P<protocol>paper|whitebox) protocol: (?P<splits>.*) images erased, filled with (?P<fill>.*), ratio of KAR = fraction "
        r"(?P<kar>\w+); (?P<train>\d{1,12}) training and (?P<test>\d{1,12}) test images?, (?P<retrained>.*), seeds (?P<first>\d{1,9}) to "
        r"(?P<last>\d{1,9}); (?P<ranking>\w+) ranking, (?P<settings>.*); not erased",
        caption,
    )
    if "erasure" in values or told is None or not {"method", "ratio"} <= columns.keys():
        return values
    methods = list(dict.fromkeys(columns["method"]))
    ratios = [
        float(ratio) for ratio in dict.fromkeys(columns["ratio"]) if isinstance(ratio, (int, float)) and abs(ratio) < 1
    ]
    accuracies = values.get("accuracies")
    named = accuracies if isinstance(accuracies, dict) else {}
    seeds = range(int(told["first"]), int(told["last"]) + 1)[: max(map(_length, named.values()), default=0)]
    return {
        **values,
        "accuracies": {
            f"{method} {ratio!r}": named.get(f"{method} {ratio:g}") for method in methods for ratio in ratios
        },
        "metrics": [_metric(values)],
        "methods": methods,
        "ratios": ratios,
        "seeds": list(seeds),
        "unerased_by_seed": [values.get("unerased")],
        "erasure": {
            "name": told["protocol"],
            "splits": told["splits"].split(", "),
            "fills_mean": told["fill"] == "training mean",
            "kar_keeps": told["kar"] == "kept",
        },
        "ranking": told["ranking"],
        "train_images": int(told["train"]),
        "images": int(told["test"]),
        "retrained": told["retrained"],
        "settings": told["settings"],
    }


def _metric(values: Values) -> str:
    """ROAR or KAR, by the task of the record."""
    made_of = values.get("made_of")
    holders = values.get("arguments"), made_of.get("section") if isinstance(made_of, dict) else None
    return "kar" if any(isinstance(each, dict) and each.get("task") == "kar" for each in holders) else "roar"


def _settings(values: Values, after: str) -> dict[str, str]:
    """How maps were made, which is what a caption ends with."""
    _, found, settings = text_of(values.get("caption")).partition(after)
    return {"settings": settings} if found else {}


def _length(values: Any) -> int:
    return len(values) if isinstance(values, list) else 0

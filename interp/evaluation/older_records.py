"""Records of earlier versions, which hold some figures in their table alone: their values with the fields that they lack.

Each function returns newer values as they are. What stands in a record may be damaged, so nothing is believed here but that lists are
lists; the types of the fields are checked where the values are read.
"""

import re
from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Any]


def with_images(values: Values) -> Values:
    """The number of images stood in the caption of records of eval_cmd.py."""
    told = re.match(r"(\d{1,12}) images", _text(values.get("caption")))
    return {"images": int(told[1]), **values} if told else values


def completed_curve(values: Values) -> Values:
    """Epsilons and accuracies of an AccuracyCurve; of several numbers of steps, those of the last."""
    columns = _columns(values)
    if "epsilons" in values or not {"eps", "accuracy"} <= columns.keys():
        return with_images(values)
    leading, cells = next(iter(columns.items()))
    rows = [place for place, cell in enumerate(cells) if leading == "eps" or cell == cells[-1]]
    epsilons, accuracies = ([columns[name][place] for place in rows] for name in ("eps", "accuracy"))
    return with_images({**values, "epsilons": epsilons, "accuracies": accuracies})


def completed_validity(values: Values) -> Values:
    """Accuracies of a Validity by radius; flags of a radius stand with it, those of the network apart."""
    values, columns = with_images(values), _columns(values)
    flags = values.get("flags")
    found = [flag for flag in flags if isinstance(flag, dict)] if isinstance(flags, list) else []
    rows = values.get("by_radius")
    if rows is None and {"eps", "worst case"} <= columns.keys():
        attacks = [name for name in columns if name not in ("eps", "worst case", "standard error", "flags")]
        rows = [
            {
                "eps": eps,
                "images": values.get("images"),
                "accuracies": {name: columns[name][place] for name in attacks},
                "worst_case": columns["worst case"][place],
                "flags": [{**flag, "eps": None} for flag in found if flag.get("eps") == eps],
            }
            for place, eps in enumerate(columns["eps"])
            if columns["worst case"][place] is not None
        ]
    if isinstance(flags, list):
        values = {**values, "flags": [flag for flag in flags if not isinstance(flag, dict) or flag.get("eps") is None]}
    return values if rows is None else {**values, "by_radius": rows}


def completed_agreement(values: Values) -> Values:
    """Rows of an AgreementCurve; how many images had a rank correlation was not said, so all that kept their prediction count."""
    columns = _columns(values)
    names = ("eps", "images", "unchanged", "Kendall tau", "standard error", "Pearson r", "top-k overlap", "tau of all")
    if "by_radius" in values or not {*names, "its standard error"} <= columns.keys():
        return values
    rows = [
        {
            "eps": eps,
            "images": images,
            "unchanged": kept,
            "kendall_tau": _mean(tau, error, kept),
            "pearson_r": _mean(linear, None, kept),
            "top_k_overlap": _mean(overlap, None, kept),
            "kendall_tau_of_all": _mean(of_all, columns["its standard error"][place], images),
        }
        for place, (eps, images, kept, tau, error, linear, overlap, of_all) in enumerate(
            zip(*(columns[name] for name in names), strict=True)
        )
    ]
    return {**values, "by_radius": rows}


def completed_overlap(values: Values) -> Values:
    """The one row of a NetworkOverlap, and the interpretation from the caption."""
    columns = _columns(values)
    names = ("against", "k", "images", "top-k overlap", "standard error")
    if "overlap" in values or not set(names) <= columns.keys() or not columns["k"]:
        return values
    against, k, images, overlap, error = (columns[name][0] for name in names)
    told = re.search(r"true class's (.*) on clean", _text(values.get("caption")))
    return {
        "interpretation": told[1] if told else "map",
        **with_images(values),
        "against": against,
        "k": k,
        "overlap": _mean(overlap, error, images),
    }


def completed_unforeseen(values: Values) -> Values:
    """Rows and scores of UnforeseenAccuracies, and how they were attacked, from the caption."""
    columns, values = _columns(values), with_images(values)
    names = ("attack", "goal", "budget", "accuracy", "UAR")
    if "by_budget" in values or not set(names) <= columns.keys():
        return values
    rows: list[Values] = []
    scores: dict[Any, dict[Any, Any]] = {}
    for attack, goal, budget, accuracy, score in zip(*(columns[name] for name in names), strict=True):
        rows.append(
            {"attack": attack, "goal": goal, "eps": budget, "accuracy": accuracy, "images": values.get("images")}
        )
        if isinstance(score, (int, float)):
            scores.setdefault(attack, {})[goal] = score
    told = re.match(r"\d+ images, (.*?);", _text(values.get("caption")))
    return {**values, "by_budget": rows, "scores": scores, "settings": told[1] if told else ""}


def completed_sneaking(values: Values) -> Values:
    """Penalties and counts of Sneaking; correlations image by image were not said, so they are undefined."""
    columns = _columns(values)
    if "penalties" in values or not {"penalty", "images", "broken"} <= columns.keys() or not columns["penalty"]:
        return values
    told = re.search(r"of which (\d{1,12}) prefer", _text(values.get("caption")))
    distances = values.get("discrepancies")
    unknown = [[None] * len(row) for row in distances if isinstance(row, list)] if isinstance(distances, list) else None
    return {
        "images": columns["images"][0],
        "broken": columns["broken"][0],
        "preferring": int(told[1]) if told else 0,
        "penalties": [_number(cell) for cell in columns["penalty"] if cell != "all"],
        "kendall_taus": unknown,
        "pearson_rs": unknown,
        **values,
    }


def completed_coherence(values: Values) -> Values:
    """Methods of a Coherence and their shares; on how many images a share was defined was not said, so all of them count."""
    columns, values = _columns(values), with_images(values)
    names = ("method", "share on object", "standard error")
    if "methods" in values or not set(names) <= columns.keys():
        return values
    shares = [
        _mean(share, error, values.get("images"))
        for share, error in zip(columns["share on object"], columns["standard error"], strict=True)
    ]
    masked = values.get("object_share") is not None
    return {**values, "methods": columns["method"], "on_object": shares if masked else None}


def completed_sanity_check(values: Values) -> Values:
    """Correlations of a SanityCheck were numbers alone; how many maps they are of stood in the table."""
    columns, values = _columns(values), with_images(values)
    if not {"method", "images", "expected"} <= columns.keys():
        return values
    counts = dict(zip(columns["method"], columns["images"], strict=True))

    def means(curves: Any) -> Any:
        if not isinstance(curves, dict):
            return curves
        return {
            name: [each if isinstance(each, dict) else _mean(each, None, counts.get(name)) for each in curve]
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
    columns, caption = _columns(values), _text(values.get("caption"))
    told = re.match(
        r"(?P<protocol>paper|whitebox) protocol: (?P<splits>.*) images erased, filled with (?P<fill>.*), ratio of KAR = fraction "
        r"(?P<kar>\w+); (?P<train>\d{1,12}) training and (?P<test>\d{1,12}) test images, (?P<retrained>.*), seeds (?P<first>\d{1,9}) to "
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


def _columns(values: Values) -> dict[str, list[Any]]:
    """The columns of the table in a record, none where there is none, or where its cells are no cells."""
    header, rows = values.get("header"), values.get("rows")
    if not isinstance(header, list) or not isinstance(rows, list) or not all(isinstance(name, str) for name in header):
        return {}
    simple = str, int, float, type(None)
    if not all(
        isinstance(row, list) and len(row) == len(header) and all(isinstance(c, simple) for c in row) for row in rows
    ):
        return {}
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _mean(value: Any, error: Any, count: Any) -> Values:
    """A Mean of a table, whose count is 0 where the mean is not defined."""
    known = value is not None and value != "-"
    error = None if error == "-" else error
    return {"value": value if known else None, "standard_error": error, "count": count if known else 0}


def _number(cell: Any) -> Any:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return cell


def _length(values: Any) -> int:
    return len(values) if isinstance(values, list) else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

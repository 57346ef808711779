"""Records of earlier versions, which hold some figures in their table alone: their values with the fields that they lack.

Each function returns newer values as they are. What stands in a record may be damaged, so nothing is believed here but that lists are
lists; the types of the fields are checked where the values are read.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

Values = Mapping[str, Any]

# Columns of a Validity's table that are no accuracy under an attack.
VALIDITY_COLUMNS = ("eps", "images", "worst case", "standard error", "95% from", "to", "flags")


def with_images(values: Values) -> Values:
    """The number of images stood in the caption of records of eval_cmd.py."""
    told = re.match(r"(\d{1,12}) images?", text_of(values.get("caption")))
    return {"images": int(told[1]), **values} if told else values


def completed_curve(values: Values) -> Values:
    """Epsilons and accuracies of an AccuracyCurve; of several numbers of steps, those of the last."""
    columns = recorded_columns(values)
    if "epsilons" in values or not {"eps", "accuracy"} <= columns.keys():
        return with_images(values)
    leading, cells = next(iter(columns.items()))
    rows = [place for place, cell in enumerate(cells) if leading == "eps" or cell == cells[-1]]
    epsilons, accuracies = ([columns[name][place] for place in rows] for name in ("eps", "accuracy"))
    return with_images({**values, "epsilons": epsilons, "accuracies": accuracies})


def completed_validity(values: Values) -> Values:
    """Accuracies of a Validity by radius; flags of a radius stand with it, those of the network apart."""
    values, columns = with_images(values), recorded_columns(values)
    norm = "l2" if "per image in l2 over" in text_of(values.get("protocol")) else "linf"
    values, flags = {"norm": norm, **values}, values.get("flags")
    found = [flag for flag in flags if isinstance(flag, dict)] if isinstance(flags, list) else []
    rows = values.get("by_radius")
    if rows is None and {"eps", "worst case"} <= columns.keys():
        attacks = [name for name in columns if name not in VALIDITY_COLUMNS]
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
    values = without_flags_of_radii(values)
    return values if rows is None else {**values, "by_radius": rows}


def without_flags_of_radii(values: Values) -> Values:
    """The values with those of the flags alone that are of no radius: a record lists the others again with those."""
    flags = values.get("flags")
    if not isinstance(flags, list):
        return values
    return {**values, "flags": [flag for flag in flags if not isinstance(flag, dict) or flag.get("eps") is None]}


def completed_agreement(values: Values) -> Values:
    """Rows of an AgreementCurve; how many images had a rank correlation was not said, so all that kept their prediction count."""
    columns = recorded_columns(values)
    names = ("eps", "images", "unchanged", "Kendall tau", "standard error", "Pearson r", "top-k overlap", "tau of all")
    if "by_radius" in values or not {*names, "its standard error"} <= columns.keys():
        return values
    rows = [
        {
            "eps": eps,
            "images": images,
            "unchanged": kept,
            "kendall_tau": mean_values(tau, error, kept),
            "pearson_r": mean_values(linear, None, kept),
            "top_k_overlap": mean_values(overlap, None, kept),
            "kendall_tau_of_all": mean_values(of_all, columns["its standard error"][place], images),
        }
        for place, (eps, images, kept, tau, error, linear, overlap, of_all) in enumerate(
            zip(*(columns[name] for name in names), strict=True)
        )
    ]
    return {**values, "by_radius": rows}


def completed_overlap(values: Values) -> Values:
    """The one row of a NetworkOverlap, and the interpretation from the caption."""
    columns = recorded_columns(values)
    names = ("against", "k", "images", "top-k overlap", "standard error")
    if "overlap" in values or not set(names) <= columns.keys() or not columns["k"]:
        return values
    against, k, images, overlap, error = (columns[name][0] for name in names)
    told = re.search(r"true class's (.*) on clean", text_of(values.get("caption")))
    return {
        "interpretation": told[1] if told else "map",
        **with_images(values),
        "against": against,
        "k": k,
        "overlap": mean_values(overlap, error, images),
    }


def completed_unforeseen(values: Values) -> Values:
    """Rows and scores of UnforeseenAccuracies, and how they were attacked, from the caption."""
    columns, values = recorded_columns(values), with_images(values)
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
    told = re.match(r"\d+ images?, (.*?);", text_of(values.get("caption")))
    return {**values, "by_budget": rows, "scores": scores, "settings": told[1] if told else ""}


def completed_sneaking(values: Values) -> Values:
    """Penalties and counts of Sneaking; correlations image by image were not said, so they are undefined."""
    columns = recorded_columns(values)
    if "penalties" in values or not {"penalty", "images", "broken"} <= columns.keys() or not columns["penalty"]:
        return values
    told = re.search(r"of which (\d{1,12}) prefer", text_of(values.get("caption")))
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


def with_present_names(records: Mapping[str, dict[str, Any]], options: Collection[str]) -> dict[str, dict[str, Any]]:
    """Records of a task with these options, of which --discrepancy-norm was called --norm before."""
    found = {}
    for network, record in records.items():
        arguments = dict(record["arguments"])
        if "discrepancy_norm" in options and "discrepancy_norm" not in arguments and "norm" in arguments:
            arguments["discrepancy_norm"] = arguments.pop("norm")
        found[network] = {**record, "arguments": arguments}
    return found


def earlier_tables(table: str, task: str, options: Any) -> list[str]:
    """The files, without suffix, in which earlier versions kept the records of all networks of a task with these options."""
    method, strong = getattr(options, "method", "cam"), getattr(options, "protocol", "") == "strong"
    norm, classes = getattr(options, "discrepancy_norm", "l1"), getattr(options, "num_class", "two_class")
    told = f"{norm}_{classes}_{task}{'_strong' * strong}_{options.in_files('dataset')}_{method}"
    return [table] if getattr(options, "norm", None) == "l2" else [told, table]


def recorded_columns(values: Values) -> dict[str, list[Any]]:
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


def mean_values(value: Any, error: Any, count: Any) -> Values:
    """A Mean of a table, whose count is 0 where the mean is not defined."""
    known = value is not None and value != "-"
    error = None if error == "-" else error
    return {"value": value if known else None, "standard_error": error, "count": count if known else 0}


def text_of(value: Any) -> str:
    """A text, empty for what is none."""
    return value if isinstance(value, str) else ""


def _number(cell: Any) -> Any:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return cell

"""A card for each network, as model hubs read it: metadata first, then its purpose, how it was made, what was measured, its limits."""

import json
from math import prod
from pathlib import Path
from typing import Any

from interp.core.network_name import NetworkName
from interp.core.tables import counted, markdown_table, radius_text
from interp.core.used_files import fingerprint
from interp.data import DatasetSpec, find_dataset
from interp.evaluation import LeaderboardRow
from interp.models.architectures import find_architecture, weight_shapes
from interp.training import find_objective
from results_pages.card_limits import limits
from results_pages.cells import plus_minus, with_error
from results_pages.evidence import Sources
from results_pages.leaderboard_tables import measured_rows
from results_pages.network_tables import Trained, network_files, trained

LICENSE, LIBRARY, TASK = "apache-2.0", "keras", "image-classification"
TAGS = (TASK, "adversarial-robustness", "interpretability", "saliency-maps")


def model_cards(sources: Sources) -> dict[str, str]:
    """The text of a card for each network of train.py, by the network's name. Raises InputError."""
    # Of other weights of that name a card says nothing.
    rows = {(row.facts.name, row.weights): row for row in measured_rows(sources).rows}
    return {path.stem: _card(path, rows.get((path.stem, fingerprint(path)))) for path in network_files(sources)}


def _card(path: Path, row: LeaderboardRow | None) -> str:
    name, made = trained(path)
    spec, figures = find_dataset(name.dataset), _figures(made, row)
    parts = [
        *_front(name, made, spec, figures),
        f"# {name}",
        "",
        *_purpose(name, made, spec),
        "",
        "## Data",
        "",
        f"{spec.training_images:,} training images of {spec.name}: {made.data}. Figures are of its test images.",
        "",
        "## How it was made",
        "",
        *markdown_table(("what", "value"), _making(name, made)),
        "",
        "## What was measured",
        "",
        *(_measured(figures) if figures else ["Nothing yet."]),
        "",
        "## Limits",
        "",
        *(f"- {line}" for line in limits(made, spec, row)),
        "",
        "All networks side by side: [networks](../README.md).",
    ]
    return "\n".join(parts) + "\n"


def _front(name: NetworkName, made: Trained, spec: DatasetSpec, figures: list[dict[str, Any]]) -> list[str]:
    """The metadata, which hubs read as YAML: a name and a value of JSON a line, which is YAML, too."""
    metrics = [{"type": one["type"], "name": one["name"], "value": one["value"]} for one in figures]
    dataset = {"type": spec.name, "name": made.data, "split": "test"}
    results = [{"task": {"type": TASK}, "dataset": dataset, "metrics": metrics}] if metrics else []
    values = {
        "license": LICENSE,
        "library_name": LIBRARY,
        "pipeline_tag": TASK,
        "tags": [*TAGS, made.architecture, made.method],
        "datasets": [spec.name],
        "metrics": list(dict.fromkeys(one["type"] for one in figures)),
        "model-index": [{"name": str(name), "results": results}],
    }
    return ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()), "---", ""]


def _purpose(name: NetworkName, made: Trained, spec: DatasetSpec) -> list[str]:
    shape, sides = made.image_shape, "x".join(map(str, made.image_shape))
    weights = sum(
        prod(each) for each in weight_shapes(find_architecture(made.architecture), shape, made.classes).values()
    )
    named = f": {', '.join(spec.class_names)}" if spec.class_names else ""
    return [
        f"A network of the architecture `{made.architecture}` ({weights:,} weights) that tells {made.classes} classes of {spec.name} "
        f"apart{named}. It takes images of {sides} in [0, 1] and returns logits. Its training method is {name.title}. It is made "
        "for comparing training methods by how well predictions and explanations hold up under attack.",
        "",
        "```python",
        "import interp",
        "",
        f'network = interp.load_model("{name}")  # a keras.Model',
        "```",
    ]


def _making(name: NetworkName, made: Trained) -> list[tuple[str, str]]:
    objective, schedule = find_objective(made.method), made.schedule
    judged = "attacked validation" if objective.is_robust and schedule.epsilon else "validation"
    lasting = schedule.rate_shape == "steps"
    patience, average = made.patience, made.average
    rates = ", ".join(f"{rate:g} {'from' if lasting else 'at'} step {step}" for step, rate in schedule.learning_rates)
    rows = [
        ("training method", f"{objective.title} ({objective.citation})"),
        ("weight of the penalty", "" if objective.penalty_weight is None else f"{made.penalty_weight:g}"),
        ("weight of the squared distance", "" if made.distance_weight is None else f"{made.distance_weight:g}"),
        ("explanation whose maps are compared", made.explanation or ""),
        ("weights at the start", f"those of {made.start}" if made.start else ""),
        ("epochs, batch size", f"{schedule.epochs}, {schedule.batch_size}"),
        ("learning rate", rates if lasting else f"{rates}, along lines between"),
        ("weights kept", f"of the epoch that is best on {judged} images" if made.keep == "best" else ""),
        ("weights averaged over steps", "" if average is None else f"with a decay of {average:g}"),
        ("end", f"early, after {counted(patience, 'epoch')} no better on {judged} images" if patience else ""),
        ("crops and flips", "yes" if made.augment else "no"),
    ]
    if schedule.epsilon and objective.uses_ball:
        first, last = schedule.ramp
        ramp = f"which grows from step {first} to step {last}" if last else "from the first step on"
        rows.append(("radius in training", f"{schedule.norm} eps {radius_text(schedule.epsilon)}, {ramp}"))
        if objective.attack is None:
            rows.append(("noise in training", "a random point of the ball for each image of a step"))
        else:
            inner = f"{counted(schedule.attack_steps, 'step')} of {schedule.attack_step_size:.4g}"
            raised = f", which raise the {made.inner_attack}" if made.inner_attack else ""
            rows.append(("attack in training", f"{inner}{raised}"))
            rows.append(("its precision", schedule.attack_precision if schedule.attack_precision != "float32" else ""))
    run = made.run
    versions = ", ".join(f"{package} {version}" for package, version in run.versions.items() if version)
    rows += [
        ("seed", str(made.seed)),
        ("minutes", f"{made.seconds / 60:.1f}"),
        ("command", f"`{run.arguments.line()}`"),
        ("versions", versions),
        ("commit", f"`{run.commit}`" if run.commit else ""),
    ]
    return [(what, value) for what, value in rows if value]


def _figures(made: Trained, row: LeaderboardRow | None) -> list[dict[str, Any]]:
    """What was measured: the type and the name of each figure, its value, as text, and by which protocol."""
    found, measured = [], made.measured
    if measured is not None:
        at, images = f"eps {radius_text(measured.epsilon)}", measured.images
        for name, value, count, protocol in (
            ("accuracy", measured.clean, images.clean, "no attack"),
            (
                f"accuracy under PGD, {at}",
                measured.reference,
                images.reference,
                measured.protocols.get("reference", ""),
            ),
            (f"accuracy, strong protocol, {at}", measured.strong, images.strong, measured.protocols.get("strong", "")),
        ):
            found.append(_figure("accuracy", name, value, with_error(value, count), count, protocol))
    if made.accuracy_per_class and "all" in made.accuracy_per_class:
        value = made.accuracy_per_class["all"]
        found.append(_figure("accuracy", "accuracy on all test images", value, f"{value:.4f}", "all", "no attack"))
    if row is not None:
        at, record = f"{row.norm} eps {radius_text(row.epsilon)}", f"record `{row.record}`"
        strong = row.strong
        told = plus_minus(*strong.cells)
        name = f"accuracy, leaderboard, {at}"
        found.append(_figure("accuracy", name, strong.value, told, strong.count, f"{row.protocol}; {record}"))
        for moved in row.explanations:
            tau, noise = moved.worst_case, moved.noise
            told = f"{plus_minus(*tau.cells)} (noise {plus_minus(noise.value)})"
            name = f"Kendall tau of {moved.explanation}, {at}"
            protocol = f"{row.explanation_protocol}; {record}"
            found.append(_figure("kendall_tau", name, tau.value, told, tau.count, protocol))
    return [one for one in found if one["value"] is not None]


def _figure(kind: str, name: str, value: float | None, text: str, images: int | str, protocol: str) -> dict[str, Any]:
    rounded = None if value is None else round(value, 4)
    return {"type": kind, "name": name, "value": rounded, "text": text, "images": images, "protocol": protocol}


def _measured(figures: list[dict[str, Any]]) -> list[str]:
    """The table of the figures, and below it each protocol once."""
    protocols = list(dict.fromkeys(one["protocol"] for one in figures))
    rows = [
        (one["name"], one["text"], str(one["images"]), f"({protocols.index(one['protocol']) + 1})") for one in figures
    ]
    lines = markdown_table(("figure", "value", "images", "protocol"), rows)
    return [*lines, "", *(f"{place}. {protocol}" for place, protocol in enumerate(protocols, 1))]

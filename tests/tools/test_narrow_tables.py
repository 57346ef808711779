"""Tables that fit a page, with every figure of their records."""

import json
from pathlib import Path

import pytest

from interp.core.errors import InputError
from interp.core.network_name import parse_name
from results_pages import network_tables
from results_pages.evidence import Sources
from results_pages.page_pictures import curves_figure
from results_pages.page_tables import make_table

MEASURES = ("deletion", "insertion", "mu_fidelity", "infidelity", "gini", "entropy", "road_most")
METHODS = ("random", "gradient", "grad_cam")
NAME = "mnist_simplecnn_normal_5"


def keep(folder, table, header, rows, *, name=NAME, **more):
    """Write a record of a table of `eval.py` and return the sources of it."""
    path = folder / "main" / table / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"caption": "two images", "header": header, "rows": rows, "images": 2, "data": "drawn"}
    files = {f"{name}.{'pkl' if name.endswith('00') else 'safetensors'}": "0" * 64}
    path.write_text(json.dumps({**record, "files": files, **more}))
    return Sources((folder / "main",), folder / "networks")


def cells(lines):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def keep_faithfulness(folder):
    """The values of the methods are 0.01, 0.02, ... in the order of the rows, and entropy ranks them the other way round."""
    rows = []
    for measure in MEASURES:
        for place, method in enumerate(METHODS):
            value = (len(rows) + 1) / 100 if measure != "entropy" else 0.9 - place / 10
            rows.append([method, measure, value, 0.001, "higher", "random, edges" if method == "gradient" else "none"])
    header = ["method", "measure", "value", "standard error", "better", "beats"]
    taus = [[0.1 * (one + other) for other in range(7)] for one in range(7)]
    return keep(folder, "faithfulness", header, rows, measures={measure: {} for measure in MEASURES}, agreement=taus)


def test_measures_stand_in_tables_of_five_with_every_error(tmp_path):
    lines = make_table(keep_faithfulness(tmp_path), ["faithfulness", "mnist_simplecnn"])
    assert lines[2] == "Normal (here, 5 epochs):"
    first, second = cells(lines)[:5], cells(lines)[5:]
    assert first[0] == ["method", *(f"{name.replace('_', ' ')} (higher)" for name in MEASURES[:5])]
    assert second[0] == ["method", "entropy (higher)", "road most (higher)"]
    assert first[3][:3] == ["gradient", "**0.020 ± 0.001**", "**0.050 ± 0.001**"]
    assert second[4] == ["grad cam", "0.700 ± 0.001", "0.210 ± 0.001"]
    shown = [cell for row in (*first, *second) for cell in row if "±" in cell]
    assert len(shown) == len(MEASURES) * len(METHODS)
    # Two tables without a line between them would be one.
    assert lines[lines.index(next(line for line in lines if line.startswith("| grad cam"))) + 1] == ""


def test_tables_of_several_networks_stand_apart(tmp_path):
    """Without a line between them the second would go on as rows of the first."""
    header = ["method", "ratio", "accuracy", "standard error", "beats random"]
    for name in (NAME, "mnist_simplecnn_adv_5"):
        keep(tmp_path, "selectivity", ["method", "area"], [["random", 0.9], ["gradient", 0.2]], name=name)
        sources = keep(tmp_path, "roar", header, [["gradient", 0.5, 0.4, 0.01, "yes"]], name=name)
    for mark in (["erasing", "mnist_simplecnn", "roar"], ["selectivity", "mnist_simplecnn"]):
        lines = make_table(sources, mark)
        heads = [place for place, line in enumerate(lines) if line.startswith("| method")]
        assert [lines[place - 2] for place in heads] == ["Normal (here, 5 epochs):", "Adv (here, 5 epochs):"]
        assert [lines[place - 1] for place in heads] == ["", ""]
        assert lines[heads[1] - 3] == ""


def test_radii_of_explanations_stand_in_their_columns(tmp_path):
    header = ["eps", "measure", "noise", "corner noise", "strongest attack", "standard error", "flags"]
    for name, radii in ((NAME, (0.1, 0.3)), ("mnist_simplecnn_adv_5", (0.3,))):
        rows = [[eps, "Kendall tau", 0.9, 0.8, eps, 0.01, "noise"] for eps in radii]
        sources = keep(tmp_path, "explanations", header, rows, name=name, explanation="grad_cam")
    head, _, normal, adv = cells(make_table(sources, ["explanations", "mnist_simplecnn", "Kendall_tau"]))
    assert head[3:] == [f"eps {eps}: {what}" for eps in (0.1, 0.3) for what in ("noise", "attack", "flagged")]
    assert normal[:5] == ["grad cam", "Normal", "here, 5 epochs", "0.900, 0.800", "0.100 ± 0.010"]
    assert adv[3:] == ["-", "-", "-", "0.900, 0.800", "0.300 ± 0.010", "noise"]
    with pytest.raises(InputError, match="no record of explanations of mnist_simplecnn is by the measure 'SSIM'"):
        make_table(sources, ["explanations", "mnist_simplecnn", "SSIM"])


def test_seconds_are_of_the_epochs_that_were_trained(monkeypatch):
    """The name of a network counts those of the one that it started with."""
    schedule = network_tables.Schedule(0.1, 3, 50, ((0, 1e-3),), (0, 0), 1, 0.1)
    run = network_tables.Run(network_tables.Arguments(10, "cpu"))
    made = network_tables.Trained("trades6", "small", (28, 28, 1), 10, 90.0, 99, "drawn", schedule, run)
    files = [Path(f"mnist_smallgap_{name}.safetensors") for name in ("trades6_l2_15", "trades6_15", "adv_3")]
    monkeypatch.setattr(network_tables, "network_files", lambda _: files)
    monkeypatch.setattr(network_tables, "trained", lambda path: (parse_name(path.stem), made))
    assert cells(network_tables.times(Sources((), Path())))[2:] == [
        ["Adv", "1.5 (30 s)"],
        ["TRADES-6", "1.5 (30 s) of epochs 13 to 15"],
        ["TRADES-6, l2", "1.5 (30 s) of epochs 13 to 15"],
    ]


def test_networks_that_differ_in_epochs_alone_share_a_cell(monkeypatch):
    """One of them, trained further from the other, hid it."""
    run = network_tables.Run(network_tables.Arguments(10, "cpu"))
    epochs = {"trades6_15": 10, "trades6_5": 5, "normal_5": 5}

    def trained(path):
        name = parse_name(path.stem)
        count = epochs[f"{name.tag}_{name.epochs}"]
        schedule = network_tables.Schedule(0.1, count, 50, ((0, 1e-3),), (0, 0), 1, 0.1)
        made = network_tables.Trained(name.tag, "small", (28, 28, 1), 10, 60.0 * count, 99, "drawn", schedule, run)
        return name, made

    monkeypatch.setattr(network_tables, "network_files", lambda _: [Path(f"cifar_wresnet_{name}") for name in epochs])
    monkeypatch.setattr(network_tables, "trained", trained)
    assert cells(network_tables.times(Sources((), Path())))[2:] == [
        ["Normal", "5.0 (60 s)"],
        ["TRADES-6", "5.0 (60 s) of epochs 1 to 5; 10.0 (60 s) of epochs 6 to 15"],
    ]


def test_curves_of_networks_that_differ_in_epochs_alone_have_names_of_their_own(tmp_path):
    header = ["eps", "PGD", "worst case"]
    for section in ("pgd", "validity"):
        for name, accuracy in (
            ("cifar_wresnet_trades6_15", 0.4),
            ("cifar_wresnet_trades6_5", 0.3),
            ("cifar_wresnet_fast_15", 0.2),
        ):
            rows = [[0.0, 0.9, 0.9], [8 / 255, accuracy, accuracy]]
            sources = keep(tmp_path, section, header, rows, name=name, protocol="few steps")
    figure = curves_figure(sources, "cifar_wresnet")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "TRADES-6, 5 epochs",
        "TRADES-6, 15 epochs",
        "Fast Adv",
    ]
    assert [line.get_ydata()[-1] for line in figure.axes[0].lines] == [0.3, 0.4, 0.2]


def test_a_network_with_averaged_weights_stands_beside_the_one_that_it_goes_on_from(tmp_path):
    """By its title, in tables and in curves."""
    names = {"cifar_wresnet_fast_averaged_25": 0.4, "cifar_wresnet_trades6_ce_15": 0.3, "cifar_wresnet_fast_15": 0.2}
    for name, accuracy in names.items():
        for section in ("pgd", "validity"):
            rows = [[0.0, 0.9, 0.9], [8 / 255, accuracy, accuracy]]
            keep(tmp_path, section, ["eps", "PGD", "worst case"], rows, name=name, protocol="few steps")
        header = ["eps", "accuracy", "standard error"]
        sources = keep(tmp_path, "few", header, [[8 / 255, accuracy, 0.015]], name=name)
    found = make_table(
        Sources((tmp_path / "main" / "accuracy",), sources.networks_dir), ["attack", "cifar_wresnet", "few"]
    )
    assert cells(found)[2:] == [
        ["TRADES-6 (CE attack)", "here, 15 epochs", "0.300 ± 0.015"],
        ["Fast Adv", "here, 15 epochs", "0.200 ± 0.015"],
        ["Fast Adv (averaged)", "here, 25 epochs", "0.400 ± 0.015"],
    ]
    figure = curves_figure(sources, "cifar_wresnet")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["TRADES-6 (CE attack)", "Fast Adv", "Fast Adv (averaged)"]
    assert [line.get_ydata()[-1] for line in figure.axes[0].lines] == [0.3, 0.2, 0.4]


def test_a_command_says_all_that_makes_the_network():
    assert network_tables.Arguments(1, "cpu").line() == "train.py 1 --profile cpu"
    changed = {"norm": "l2", "softplus": 20.0, "penalty_weight": 0.5, "keep": "last", "patience": 3, "average": 0.999}
    assert network_tables.Arguments(9, "cpu", ("mnist_smallgap_lga",), seed=1, **changed).line() == (
        "train.py 9 --profile cpu --only mnist_smallgap_lga --seed 1 --norm l2 --softplus 20 --penalty-weight 0.5 --keep last "
        "--patience 3 --average 0.999"
    )
    attacked = network_tables.Arguments(10, "cpu", cross_entropy_attack=True)
    assert attacked.line() == "train.py 10 --profile cpu --cross-entropy-attack"


def test_agreement_has_numbers_for_heads(tmp_path):
    lines = cells(make_table(keep_faithfulness(tmp_path), ["agreement", "mnist_simplecnn"]))
    assert lines[0] == ["measure", "1", "2", "3", "4", "5", "6"]
    assert lines[2] == ["1 deletion", *[""] * 6]
    assert lines[4] == ["3 mu fidelity", "0.20", "0.30", *[""] * 4]
    assert lines[-1] == ["7 road most", "0.60", "0.70", "0.80", "0.90", "1.00", "1.10"]


def test_rankings_by_retraining_stand_side_by_side(tmp_path):
    keep(tmp_path, "selectivity", ["method", "area"], [["random", 0.9], ["gradient", 0.2], ["grad_cam", 0.5]])
    for table, figures in (("roar", (0.9, 0.5, 0.3)), ("kar", (0.1, 0.2, 0.8))):
        rows = [[method, 0.5, value] for method, value in zip(METHODS, figures, strict=True)]
        keep(tmp_path, table, ["method", "ratio", "accuracy"], rows)
    lines = cells(make_table(keep_faithfulness(tmp_path), ["retraining_agreement", "mnist_simplecnn"]))
    assert lines[0] == ["measure", "selectivity", "ROAR 0.5", "KAR 0.5"]
    # Without the random baseline: gradient before grad_cam by selectivity, grad_cam before gradient by ROAR and KAR.
    assert lines[2] == ["deletion", "-1.00", "1.00", "1.00"]
    assert ["entropy", "1.00", "-1.00", "-1.00"] in lines
    assert len(lines) == 2 + len(MEASURES)


def test_a_method_without_a_figure_is_in_no_ranking(tmp_path):
    methods = (*METHODS, "lrp", "rise")
    rows = [[method, "gini", place / 10, 0.01, "higher", "none"] for place, method in enumerate(methods)]
    rows += [
        [method, "infidelity", None if method == "lrp" else 0.5 + place, 0.01, "lower", "none"]
        for place, method in enumerate(methods)
    ]
    header = ["method", "measure", "value", "standard error", "better", "beats"]
    areas = [[method, "-" if method == "rise" else 0.5 + place / 10] for place, method in enumerate(methods)]
    keep(tmp_path, "selectivity", ["method", "area"], areas)
    for table in ("roar", "kar"):
        keep(
            tmp_path,
            table,
            ["method", "ratio", "accuracy"],
            [[method, 0.5, place / 10] for place, method in enumerate(methods)],
        )
    sources = keep(tmp_path, "faithfulness", header, rows)
    lines = make_table(sources, ["retraining_agreement", "mnist_simplecnn"])
    assert lines[-1] == "<small>Normal (here, 5 epochs); methods: gradient, grad cam</small>"
    # All figures of the second method are larger, which speaks for it by gini and KAR alone.
    assert cells(lines)[2:] == [["gini", "-1.00", "-1.00", "1.00"], ["infidelity", "1.00", "1.00", "-1.00"]]
    keep(tmp_path, "selectivity", ["method", "area"], areas, name="mnist_simplecnn_adv_5")
    with pytest.raises(InputError, match="2 networks of mnist_simplecnn have records of selectivity"):
        make_table(sources, ["retraining_agreement", "mnist_simplecnn"])


def test_a_measure_that_has_all_methods_alike_has_no_agreement(tmp_path):
    rows = [[method, "gini", 0.5, 0.01, "higher", "none"] for method in METHODS]
    sources = keep(tmp_path, "faithfulness", ["method", "measure", "value", "standard error", "better", "beats"], rows)
    keep(tmp_path, "selectivity", ["method", "area"], [[method, place] for place, method in enumerate(METHODS)])
    for table in ("roar", "kar"):
        accuracies = [[method, 0.5, place / 10] for place, method in enumerate(METHODS)]
        keep(tmp_path, table, ["method", "ratio", "accuracy"], accuracies)
    lines = cells(make_table(sources, ["retraining_agreement", "mnist_simplecnn"]))
    assert lines[2:] == [["gini", *3 * ["none qualified"]]]


def test_accuracies_of_an_attack_are_those_of_its_records(tmp_path):
    header = ["eps", "accuracy", "standard error"]
    for name, clean, attacked in (
        ("cifar_wresnet_fast_15", 0.7, 0.25),
        ("cifar_wresnet_adv_200", 0.8, 0.125),
        ("mnist_pool_adv_8", 0.9, 0.5),
    ):
        rows = [[0.0, clean, 0.014], [8 / 255, attacked, 0.015]]
        sources = keep(tmp_path, "pgd_20", header, rows, name=name, protocol="PGD-20")
    # The records are beside a directory of eval.py.
    sources = Sources((tmp_path / "main" / "accuracy",), sources.networks_dir)
    lines = make_table(sources, ["attack", "cifar_wresnet", "pgd_20"])
    assert lines[0].startswith("*Share of images that are still classified right")
    assert cells(lines) == [
        ["method", "trained", "eps 0", "eps 8/255"],
        ["---", *["---:"] * 3],
        ["Adv", "published, 200 epochs", "0.800 ± 0.014", "0.125 ± 0.015"],
        ["Fast Adv", "here, 15 epochs", "0.700 ± 0.014", "0.250 ± 0.015"],
    ]
    assert lines[-1] == "<small>2 images; PGD-20; drawn</small>"
    with pytest.raises(InputError, match="no record of pgd_21 for cifar_wresnet"):
        make_table(sources, ["attack", "cifar_wresnet", "pgd_21"])

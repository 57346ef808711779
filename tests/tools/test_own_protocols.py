"""The table of each method by its own paper's attack and measure: figures by hand, and records of the weights that are here."""

import json
from pathlib import Path

import pytest

from interp.core.used_files import fingerprint
from interp.evaluation import Agreement, AgreementCurve, ExplanationValidity, Mean
from interp.evaluation.explanation_validity_result import ExplanationsAtRadius, MovedMaps
from results_pages.__main__ import main
from results_pages.own_protocols import FIGURES, NORMAL, OWN
from tests.report.leaderboard_rows import keep_result

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs/results/main" / OWN).glob("*/*.json"))
GRADIENTS = {figure.tag for figure in FIGURES if figure.section == "explanations"}


def mean(value, error=0.03, count=90):
    return Mean(value, error, count)


def gradients(value, *, of_others=0.0):
    """Every figure of the table is `value`, whatever else the record holds is `of_others`."""
    searches = {(figure.measure, figure.search) for figure in FIGURES if figure.section == "explanations"}
    other = mean(of_others)
    moved = tuple(
        MovedMaps(
            measure,
            other,
            other,
            other,
            {name: mean(value) for of, name in searches if of == measure},
            (0.0,),
            ("noise",),
        )
        for measure in dict.fromkeys(measure for measure, _ in searches)
    )
    rows = tuple(ExplanationsAtRadius(epsilon, moved) for epsilon in (0.1, 0.3))
    return ExplanationValidity("searches", "gradient", rows, (), 1, 200)


def top_k(tau, overlap):
    rows = (Agreement(0.3, 90, 90, mean(tau, 0.04), mean(0.9), mean(overlap, 0.04), mean(0.9)),)
    return AgreementCurve(rows, f"{round(100 * tau)} of 200 images, those classified right; top-200 attack")


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "records"
    for tag in (*GRADIENTS, NORMAL):
        kept = gradients(0.25 if tag == NORMAL else 0.5 if tag == "lga" else 0.3)
        keep_result(folder / OWN, kept, "explanations", f"mnist_smallgap_{tag}_20", "official files")
    for tag, tau in (("igr", 0.5), ("art", 0.1), (NORMAL, 0.3)):
        keep_result(folder / OWN, top_k(tau, 1 - tau), "aai", f"mnist_smallgap_{tag}_20", "official files")
    (folder / "settings.json").write_text("{}")
    return folder


def page_of(call, tmp_path, records):
    page, networks = tmp_path / "page.md", tmp_path / "networks"
    networks.mkdir(exist_ok=True)
    page.write_text("<!-- table own_protocol mnist_smallgap -->\n<!-- end -->\n")
    result = call(main, [f"--records={records}", f"--networks-dir={networks}", f"--pages={page}"])
    return result, page.read_text()


def test_figures_stand_beside_those_of_normal(call, records, tmp_path):
    result, text = page_of(call, tmp_path, records)
    assert result.returncode == 0, result.stderr
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    # By hand: sqrt(.03^2 + .03^2) = .042, of which .25 is 5.9 and .05 is 1.2; sqrt(.04^2 + .04^2) = .057, of which .2 is 3.5.
    better = "| 90, 90 | 0.500 ± 0.030 | 0.250 ± 0.030 | 0.250 ± 0.042 | 5.9 | yes |"
    alike = "| 90, 90 | 0.300 ± 0.030 | 0.250 ± 0.030 | 0.050 ± 0.042 | 1.2 | no |"
    given, chen = "gradients, led to a given map", "integrated gradients, 200 strongest positions"
    ranks = "gradients, 50 strongest positions"
    assert rows[:10] == [
        *(f"| LGA | gradients, a random point | cosine | {eps} {better}" for eps in (0.1, 0.3)),
        *(f"| LGA | {given} | cosine | {eps} {better}" for eps in (0.1, 0.3)),
        *(
            f"| Hessian | {given} | {measure} | {eps} {alike}"
            for measure in ("Pearson r", "SSIM")
            for eps in (0.1, 0.3)
        ),
        *(f"| R2ET | {ranks} | top-50 overlap | {eps} {alike}" for eps in (0.1, 0.3)),
    ]
    assert rows[10:] == [
        f"| IGR | {chen} | Kendall tau | 0.3 | 90, 90 | 0.500 ± 0.040 | 0.300 ± 0.040 | 0.200 ± 0.057 | 3.5 | yes |",
        f"| IGR | {chen} | top-100 overlap | 0.3 | 90, 90 | 0.500 ± 0.040 | 0.700 ± 0.040 | -0.200 ± 0.057 | -3.5 | no |",
        f"| ART | {chen} | Kendall tau | 0.3 | 90, 90 | 0.100 ± 0.040 | 0.300 ± 0.040 | -0.200 ± 0.057 | -3.5 | no |",
        f"| ART | {chen} | top-100 overlap | 0.3 | 90, 90 | 0.900 ± 0.040 | 0.700 ± 0.040 | 0.200 ± 0.057 | 3.5 | yes |",
    ]
    # What each record says of how many images were right is in the rows.
    assert "one of the searches alone; searches / top-200 attack; official files</small>" in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("explanations/mnist_smallgap_r2et_20", "0 networks of r2et were measured by their own protocol, expected one"),
        ("aai/mnist_smallgap_normal_20", "0 networks of normal were measured"),
    ],
)
def test_a_missing_network_is_named(call, records, tmp_path, name, message):
    (records / OWN / f"{name}.json").unlink()
    result, text = page_of(call, tmp_path, records)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "| " not in text


def test_a_record_without_the_figure_is_named(call, records, tmp_path):
    path = records / OWN / "explanations" / "mnist_smallgap_hessian_20.json"
    path.write_text(path.read_text().replace('"SSIM"', '"ssim"'))
    result, _ = page_of(call, tmp_path, records)
    assert result.returncode == 2
    assert "the record of mnist_smallgap_hessian_20 has no SSIM after target" in result.stderr


def test_there_is_a_record_of_every_figure():
    there = {(path.parent.name, path.stem.split("_")[2]) for path in RECORDS}
    assert there == {(figure.section, tag) for figure in FIGURES for tag in (figure.tag, NORMAL)}


@pytest.mark.parametrize("path", RECORDS, ids=[f"{path.parent.name} {path.stem}" for path in RECORDS])
def test_records_are_of_these_weights(path):
    record = json.loads(path.read_text())
    name = f"{path.stem}.safetensors"
    assert record["files"] == {name: fingerprint(ROOT / "networks" / name)}
    kind = ExplanationValidity if path.parent.name == "explanations" else AgreementCurve
    # How many images were right, too, where not all were.
    assert kind.from_json(record).caption == record["caption"]
    # A plus says that the code was changed since.
    assert record["commit"].isalnum()

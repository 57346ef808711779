"""Records of earlier versions, those in docs/results, are read as results whose table is the one they hold."""

import json
from pathlib import Path

import pytest

from interp.core.errors import InputError
from interp.evaluation import (
    AccuracyCurve,
    AgreementCurve,
    BoundCheck,
    Coherence,
    NetworkOverlap,
    RoarKar,
    SanityCheck,
    SelectivityCurves,
    Sneaking,
    UnforeseenAccuracies,
    Validity,
)

ROOT = Path(__file__).parents[2] / "docs" / "results"
KINDS = {
    "pgd": AccuracyCurve,
    "validity": Validity,
    "aai": AgreementCurve,
    "topk": NetworkOverlap,
    "bound": BoundCheck,
    "isa": Sneaking,
    "isa_reference": Sneaking,
    "uar": UnforeseenAccuracies,
    "selectivity": SelectivityCurves,
    "roar": RoarKar,
    "kar": RoarKar,
}
RECORDS = [(section, path) for section in KINDS for path in sorted(ROOT.glob(f"*/{section}/*.json"))]


def test_there_are_records_of_every_kind():
    assert {section for section, _ in RECORDS} == set(KINDS)


@pytest.mark.parametrize(("section", "path"), RECORDS, ids=[str(path.relative_to(ROOT)) for _, path in RECORDS])
def test_kept_records(section, path):
    record = json.loads(path.read_text())
    found = KINDS[section].from_json(record)
    table, header, rows = found.table(), record["header"], record["rows"]
    if header[0] == "steps":
        # Variants of one setting; the figures beside the table are of the last.
        header, rows = header[1:], [row[1:] for row in rows if row[0] == rows[-1][0]]
    assert list(table.header) == header
    # Records do not say of each image how its maps correlate, and of the training without erasure only the mean.
    unknown = {header.index(name) for name in ("Kendall tau", "Pearson r")} if section.startswith("isa") else set()
    for row, kept in zip(table.rows, rows, strict=True):
        for place, (cell, expected) in enumerate(zip(row, kept, strict=True)):
            if place not in unknown:
                assert cell == (pytest.approx(expected, rel=1e-5) if isinstance(expected, float) else expected)
    if section not in ("pgd", "roar", "kar"):
        assert table.caption == record["caption"]
    # And as what is written today.
    assert KINDS[section].from_json(json.loads(json.dumps(found.to_json()))).table() == table


def test_records_of_eval_cmd_say_how_many_images_in_their_caption():
    record = {
        "caption": "20 images; PGD-10",
        "protocol": "PGD-10",
        "header": ["eps", "accuracy", "standard error"],
        "rows": [[0.0, 0.5, 0.1], [0.1, 0.25, 0.1]],
        "right": ["ffc000", "f80000"],
        "flags": [],
    }
    found = AccuracyCurve.from_json(record)
    assert (found.count, found.epsilons, found.accuracies) == (20, (0.0, 0.1), (0.5, 0.25))
    assert found.right.sum(1).tolist() == [10, 5]
    with pytest.raises(InputError, match="AccuracyCurve has no 'images'"):
        AccuracyCurve.from_json({**record, "caption": "some images"})


def test_a_sanity_check_had_numbers_alone():
    record = {
        "caption": "4 images; rank correlation",
        "header": ["method", "images", "layer by layer", "largest", "magnitudes", "measured", "expected"],
        "rows": [["cam", 3, "0.50 | 0.10", 0.1, 0.2, "passes", "passes"], ["random", 4, "", 1.0, 1.0, "fails", "-"]],
        "stages": ["a", "b", "c"],
        "layers": [1, 2, 4],
        "signed": {"cam": [0.5, 0.1, None], "random": [1.0, 1.0, 1.0]},
        "magnitudes": {"cam": [0.5, 0.1, 0.2], "random": [1.0, 1.0, 1.0]},
    }
    found = SanityCheck.from_json(record)
    assert (found.count, found.correlations["cam"][0].count, found.correlations["cam"][2].value) == (4, 3, None)
    assert found.expected == {"cam": True, "random": None}
    assert found.table().rows[0] == ("cam", 0, "0.50 | 0.10 -", 0.1, 0.2, "passes", "passes")


def test_a_coherence_had_its_shares_in_the_table():
    record = {
        "caption": "4 images; the object covers",
        "header": ["method", "share on object", "standard error", "mean agreement"],
        "rows": [["random", 0.25, 0.125, 0.5], ["cam", None, None, "-"]],
        "agreement": [[1.0, 0.5], [0.5, 1.0]],
        "object_share": 0.25,
    }
    found = Coherence.from_json(record)
    assert found.table().rows == (("random", 0.25, 0.125, 0.5), ("cam", None, None, "-"))
    assert Coherence.from_json({**record, "object_share": None}).on_object is None


def test_a_flag_of_a_radius_stands_with_it():
    record = {
        "caption": "4 images; strong",
        "protocol": "strong",
        "header": ["eps", "PGD", "worst case", "standard error", "flags"],
        "rows": [[0.1, 0.5, 0.25, 0.2, "random output, black box"]],
        "flags": [{"kind": "random output", "text": "a"}, {"eps": 0.1, "kind": "black box", "text": "b"}],
    }
    found = Validity.from_json(record)
    assert [flag.kind for flag in found.flags] == ["random output"]
    assert [flag.kind for flag in found.rows[0].flags] == ["black box"]
    assert found.to_json()["flags"] == [record["flags"][0], {"eps": 0.1, "kind": "black box", "text": "b"}]
    spared = {**record, "rows": [["-", None, None, "-", "probabilities"]]}
    assert Validity.from_json(spared).rows == ()

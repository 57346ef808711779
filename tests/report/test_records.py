"""Which records of a section share a table."""

from interp.report.records import shown_together


def record(dataset, finished, *arguments):
    section = {"task": "aai_topk", "option": None, "values": [0], "arguments": list(arguments), "help": "words"}
    return {"made_of": {"dataset": dataset, "section": section}, "finished": finished}


def test_networks_of_a_dataset_share_a_table_where_their_options_are_the_same():
    records = {
        "a": record("mnist", "2026-01-01"),
        "b": record("mnist", "2026-01-03", "--k", "3"),
        "c": record("mnist", "2026-01-02"),
        "d": record("cifar", "2026-01-01", "--epsilons", "8/255"),
        "e": record("cifar10", "2026-01-02", "--epsilons", "8/255", "--k", "3"),
        "older": {"made_of": {"data": {}}},
    }
    usual = {"task": "aai_topk", "option": None, "values": (0,), "arguments": (), "help": "other words"}
    shown, others = shown_together(records, usual)
    assert (list(shown), others) == (["a", "c", "e", "older"], ["b", "d"])
    # Of a section that is not asked for, those with the options of the last one.
    shown, others = shown_together(records)
    assert (list(shown), others) == (["b", "e", "older"], ["a", "c", "d"])
    assert shown_together({}) == ({}, [])

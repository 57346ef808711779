"""The results page and the table of the networks, written from the records of `eval.py` and the metadata of the networks."""

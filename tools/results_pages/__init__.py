"""The pages of results, of the leaderboard and of the networks, from the records of `eval.py` and the metadata of the networks."""

"""The numbered experiments of `eval.py`: which tasks on which networks, and their results as they arrive."""

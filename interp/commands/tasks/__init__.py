"""The tasks of `eval_cmd.py`: what each needs is in `listing`, what it does in a file of its own kind."""

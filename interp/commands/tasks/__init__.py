"""The tasks of `eval_cmd.py`: `task_registry` lists them, and each is a file."""

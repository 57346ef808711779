"""The command lines; the scripts at the top of the repository call them."""

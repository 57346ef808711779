"""The validation set: the first 5,000 training images."""

from interp.core.errors import InputError
from interp.core.tables import counted

VALIDATION = 5000


def split_rows(split: str, count: int, where: object) -> slice:
    """Return the rows of `split` in its file set of `count` images; raises InputError if training images run out."""
    if split == "test":
        return slice(0, count)
    if count <= VALIDATION:
        raise InputError(
            f"{where} holds {counted(count, 'training image')}, expected more than {VALIDATION}, "
            "because the first ones are the validation set: get the whole set"
        )
    return slice(0, VALIDATION) if split == "validation" else slice(VALIDATION, count)

"""classes.txt in a directory of images: all classes of a model, where the directory has images of some of them alone."""

from pathlib import Path

from interp.core.errors import InputError
from interp.core.tables import counted

FILE = "classes.txt"
# A list of names is small; what is larger is no list.
_MOST_BYTES = 10_000_000


def read_class_list(root: Path) -> tuple[str, ...] | None:
    """Return the names of classes that a directory lists, one a line, in the order of their numbers.

    Args:
        root: the directory of images.

    Returns:
        The names, None where there is no such file.

    Raises:
        InputError: the file cannot be read, lists fewer than two classes, or one twice, or has an empty line among them.

    Example:
        `read_class_list(Path("photographs"))` gives `("tench", "goldfish", ...)`.
    """
    path = root / FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(
                f"{path} is larger than {_MOST_BYTES // 10**6} MB, expected the name of a class in each line"
            )
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"cannot read {path}: {told}") from error
    names = tuple(line.strip() for line in lines)
    if len(names) < 2:
        raise InputError(
            f"{path} lists {counted(len(names), 'class', 'classes')}, expected at least two, one a line: add the others, or remove the file"
        )
    first_line: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise InputError(
                f"line {number} of {path} is empty, expected the name of a class: the number of a class is that of its line"
            )
        if name in first_line:
            raise InputError(
                f"{path} lists {name} in lines {first_line[name]} and {number}: give each class a name of its own"
            )
        first_line[name] = number
    return names

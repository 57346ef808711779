"""Files of the Hugging Face hub, by name; free of TensorFlow, so that wrong names are reported at once."""

from importlib.util import find_spec
from pathlib import Path

from interp.core.errors import InputError, first_line

HUB = "hf://"


def download(name: str) -> Path:
    """Return the local copy of a file of the Hugging Face hub, downloaded once.

    Args:
        name: "hf://owner/repository/path/of/the/file".

    Returns:
        The path of the copy.

    Raises:
        InputError: Without huggingface_hub, for names of another form, and for files that cannot be had.

    Example:
        `download("hf://owner/repository/model.keras")`.
    """
    parts = name.removeprefix(HUB).split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise InputError(
            f"{name} names no file: expected hf://owner/repository/file, such as hf://owner/repository/model.keras"
        )
    if find_spec("huggingface_hub") is None:
        raise InputError(
            f"{name} needs huggingface_hub: pip install huggingface_hub, or download the file and give its path"
        )
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo_id=f"{parts[0]}/{parts[1]}", filename=parts[2]))
    except Exception as error:
        raise InputError(f"{name} cannot be downloaded: {first_line(error)}") from error

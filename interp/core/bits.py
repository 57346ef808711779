"""Yes or no for each image, as short text for records."""

import numpy as np

from interp.core.errors import InputError


def hex_bits(values: np.ndarray) -> str:
    """Booleans (n,) as hexadecimal digits, four a digit, the first value first; zeros fill the last byte."""
    return np.packbits(np.asarray(values, bool)).tobytes().hex()


def bits_of_hex(text: str, count: int) -> np.ndarray:
    """The first `count` booleans of a text of `hex_bits`. Raises InputError for a text that holds fewer, or something else."""
    try:
        packed = np.frombuffer(bytes.fromhex(text), np.uint8)
    except (ValueError, TypeError) as error:
        raise InputError(f"expected hexadecimal digits, got {str(text)[:20]!r}") from error
    if 8 * len(packed) < count:
        raise InputError(f"{8 * len(packed)} values came where {count} were expected")
    return np.unpackbits(packed, count=count).astype(bool)

"""Archives of arrays that say of themselves what NumPy cannot read."""

import struct

# What the two kinds of headers of a member begin with, and where their flags and their compression stand.
_HEADERS = ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8))


def with_flags(content: bytes, *, encrypted: bool = False, compression: int = 0) -> bytes:
    """The bytes of an archive whose members are marked as encrypted, or as compressed in that way."""
    changed = bytearray(content)
    for mark, place in _HEADERS:
        start = changed.find(mark)
        while start >= 0:
            struct.pack_into("<HH", changed, start + place, int(encrypted), compression)
            start = changed.find(mark, start + len(mark))
    return bytes(changed)

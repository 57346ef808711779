"""Pages of Markdown whose tables are filled in between marks."""

import re
from collections.abc import Callable, Sequence

from interp.core.errors import InputError

# <!-- table NAME ARGUMENTS --> what was filled in <!-- end -->
_MARK = re.compile(r"<!-- table (?P<what>[^>]*?) -->\n(?P<old>.*?)<!-- end -->", re.DOTALL)


def fill_marks(text: str, fill: Callable[[list[str]], Sequence[str]]) -> str:
    """Return the page with what stands between its marks replaced by the lines that `fill` gives for the words of each mark.

    Raises InputError for a page whose marks are not closed.
    """
    opened, closed = text.count("<!-- table "), len(_MARK.findall(text))
    if opened != closed or any("<!-- table " in match["old"] for match in _MARK.finditer(text)):
        raise InputError(f"the page has {opened} marks, of which {closed} are closed: end each with <!-- end -->")

    def replaced(match: re.Match[str]) -> str:
        lines = "".join(f"{line}\n" for line in fill(match["what"].split()))
        return f"<!-- table {match['what']} -->\n{lines}<!-- end -->"

    return _MARK.sub(replaced, text)

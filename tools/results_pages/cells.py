"""Figures as pages write them."""

from interp.core.tables import Cell, cell_text


def plus_minus(value: Cell, error: Cell = None, *, digits: int = 3) -> str:
    """A figure with its standard error, where it has one."""
    if not isinstance(value, (int, float)):
        return cell_text(value)
    return f"{value:.{digits}f} ± {error:.{digits}f}" if isinstance(error, (int, float)) else f"{value:.{digits}f}"


def with_error(share: float, count: int) -> str:
    """A share of `count` images with its standard error."""
    return f"{share:.3f} ± {(share * (1 - share) / count) ** 0.5:.3f}"


def words(name: object) -> str:
    """The name of a method or measure as pages write it."""
    return str(name).replace("_", " ")

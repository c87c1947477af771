"""Record: a class that is a few named values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

C = TypeVar("C", bound=type)

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[C], C]:
        """Leave a class as it is: only type checkers read this."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """What a frozen dataclass is to a type checker, without code that importing would compile.

    Examples
    --------
    >>> from pynn._record import Record
    >>> class Point(Record):
    ...     x: float
    ...     y: float = 0.0
    >>> point = Point(1.0)
    >>> point.x, point.y, point.replaced(y=2.0).y
    (1.0, 0.0, 2.0)
    """

    _fields: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, *, frozen: bool = True) -> None:
        cls._fields = tuple(cls.__annotations__)  # defaults are the class's attributes

    def __init__(self, *values: Any, **named: Any) -> None:
        vars(self).update(zip(self._fields, values, strict=False), **named)

    def replaced(self, **changes: Any) -> Self:
        """Return a copy with other values."""
        return type(self)(**{**vars(self), **changes})

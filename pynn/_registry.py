"""Look-up by name, object, class or function: what every ``get`` of the package does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])


def canonical(name: str) -> str:
    """Return the spelling under which names are compared: ``"Huber_Loss"`` is ``"huberloss"``."""
    return re.sub(r"[\s_-]", "", name).lower()


def snake_case(name: str) -> str:
    """Return a class name with underscores: ``"MeanSquaredError"`` is ``"mean_squared_error"``.

    Examples
    --------
    >>> snake_case("Conv2DTranspose")
    'conv2d_transpose'
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return re.sub(r"(\d)_d(?![a-z])", r"\1d", words)  # of dimensions


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """Return the error for a name that nothing has, with the nearest known one suggested.

    Examples
    --------
    >>> print(unknown_name("loss", "hubber", ["huber", "hinge"]))
    unknown loss 'hubber'; did you mean 'huber'? Known: hinge, huber
    """
    import difflib  # needed on the way to an error only

    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return ValueError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}")


class Configurable:
    """An object described by its constructor's arguments, each kept in an attribute of its name."""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name, which `from_config` takes."""
        return {name: getattr(self, name) for name in self._parameters()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Build an object from what `get_config` returned."""
        return cls(**config)

    def settings(self) -> tuple[tuple[str, object], ...]:
        """Return the attributes that are plain values: what a recording was made with."""
        plain = (int, float, str, tuple, type(None))
        return tuple((k, v) for k, v in vars(self).items() if isinstance(v, plain))

    @classmethod
    def _parameters(cls) -> dict[str, Any]:
        """Return the names of the constructor's arguments with their defaults."""
        import inspect  # NumPy has loaded it long before

        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        signature = inspect.signature(cls)
        return {p.name: p.default for p in signature.parameters.values() if p.kind not in variadic}

    def __repr__(self) -> str:
        given = {k: (getattr(self, k, d), d) for k, d in self._parameters().items() if k != "name"}
        changed = (f"{k}={v!r}" for k, (v, d) in given.items() if repr(v) != repr(d))
        return f"{type(self).__name__}({', '.join(changed)})"


class Registry(Generic[T]):
    """The classes of one kind (losses, say) under their names.

    Parameters
    ----------
    kind : str
        What the classes are, for error messages: ``"loss"``.
    base : type
        Their common base class.
    wrap : callable, optional
        Makes an object of the kind from a plain function. Without it functions are refused.
    """

    def __init__(
        self, kind: str, base: type[T], wrap: Callable[[Callable[..., Any]], T] | None = None
    ) -> None:
        self.kind = kind
        self._base = base
        self._wrap = wrap
        self._classes: dict[str, type[T]] = {}
        self._shown: dict[str, str] = {}

    def register(self, *aliases: str) -> Callable[[C], C]:
        """Return a class decorator that enters the class under its own name and ``aliases``."""

        def enter(cls: C) -> C:
            for name in (*aliases, snake_case(cls.__name__)):
                self._classes[canonical(name)] = cls
                self._shown.setdefault(canonical(name), name)
            return cls

        return enter

    @property
    def names(self) -> list[str]:
        """All names, aliases among them, sorted."""
        return sorted(self._shown.values())

    def find(self, name: str) -> type[T] | None:
        """Return the class of that name in any spelling, or None."""
        return self._classes.get(canonical(name))

    def get(self, identifier: object) -> T:
        """Return the object that ``identifier`` stands for.

        Parameters
        ----------
        identifier : str, object, class, dict or callable
            A name in any spelling, an object of the kind (returned as it is), a class of the kind
            (built with its defaults), ``{"class_name": ..., "config": {...}}``, or a function.

        Raises
        ------
        ValueError
            Nothing has that name; the nearest one is suggested.
        TypeError
            ``identifier`` is none of these.
        """
        if isinstance(identifier, self._base):
            return identifier
        if isinstance(identifier, str):
            return self._class(identifier)()
        if isinstance(identifier, type) and issubclass(identifier, self._base):
            return identifier()
        if isinstance(identifier, Mapping) and "class_name" in identifier:
            return self._class(identifier["class_name"])(**identifier.get("config", {}))
        if self._wrap is not None and callable(identifier) and not isinstance(identifier, type):
            return self._wrap(identifier)
        accepted = f"a name, a {self._base.__name__} or its class"
        accepted += ", or a function" if self._wrap is not None else ""
        raise TypeError(f"{self.kind}: expected {accepted}, got {identifier!r}")

    def _class(self, name: str) -> type[T]:
        cls = self.find(name)
        if cls is None:
            raise unknown_name(self.kind, name, self.names)
        return cls

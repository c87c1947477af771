"""GradientTape: gradients of whatever was computed while it looked on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pynn import ops
from pynn._native import Tape, Tensor
from pynn.structures import flatten, pack
from pynn.tensor import Variable, known_variable

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["GradientTape"]

_UNCONNECTED = ("none", "zero")


class GradientTape:
    """Remembers the tensor operations of a ``with`` block, to differentiate them.

    Inside the block everything that is computed from trainable `Variable` objects and from tensors
    given to `watch` is remembered: operators, functions of ``pynn.ops``, layers, networks and
    losses, in Python loops and branches too. `gradient` then walks back through it. The walk
    consists of operations itself, so a tape around it gives second derivatives, and so on.

    A tape belongs to the thread that entered it. Layers called inside compute step by step, in
    float32 where the network's precision is mixed, and give tensors. What goes through NumPy
    (``x.numpy()``, functions of ``np``) is a constant.

    Parameters
    ----------
    persistent : bool, default False
        Whether `gradient` and its kin can be called more than once. The memory is then held until
        the tape is dropped or `reset`.
    watch_accessed_variables : bool, default True
        Whether trainable variables are watched unasked.

    Examples
    --------
    >>> import pynn
    >>> x = pynn.Variable(3.0)
    >>> with pynn.GradientTape() as tape:
    ...     y = x * x + 2 * x
    >>> tape.gradient(y, x)
    Tensor(8., dtype=float32)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._tape = Tape(watch_accessed_variables)
        self._persistent = persistent
        self._spent = False

    def __enter__(self) -> Self:
        if self._tape.running:
            raise RuntimeError("this GradientTape is recording already")
        self._tape.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tape.stop()

    def watch(self, tensor: Any) -> None:
        """Follow what is computed from tensors.

        Parameters
        ----------
        tensor : Tensor, or a list, tuple or dict of them
            Of a floating-point dtype.

        Raises
        ------
        RuntimeError
            If the tape is not recording.
        TypeError
            For whole numbers, and for what is no tensor.
        """
        if not self._tape.running:
            raise RuntimeError("GradientTape.watch: the tape is not recording")
        for x in flatten(tensor):
            self._tape.watch(_differentiable(x, "GradientTape.watch"))

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Differentiate the sum of `target` with respect to each of `sources`.

        ``∂/∂x Σᵢ gᵢ yᵢ`` over the elements y of the target, with g from `output_gradients`.

        Parameters
        ----------
        target : Tensor, or a list, tuple or dict of them
            Computed under this tape.
        sources : Tensor or Variable, or a list, tuple or dict of them
            What to differentiate with respect to: watched tensors, or tensors computed from them.
        output_gradients : array_like or structure of them, optional
            g, of the target's structure and shapes; None means ones.
        unconnected_gradients : {"none", "zero"}, default "none"
            What a source gets that the target does not depend on: None, or zeros.

        Returns
        -------
        Tensor or None, or a structure of them like `sources`
            Each of its source's shape and dtype.

        Raises
        ------
        RuntimeError
            If the tape is not persistent and has given a gradient before, or if the gradient leads
            through an operation that has none.
        TypeError
            If a target or source is no tensor of a floating-point dtype.
        ValueError
            If `output_gradients` does not fit.

        Examples
        --------
        >>> import pynn
        >>> w, b = pynn.Variable([1.0, 2.0]), pynn.Variable(0.5)
        >>> with pynn.GradientTape() as tape:
        ...     y = (w * [3.0, 4.0]).sum() + b
        >>> tape.gradient(y, {"w": w, "b": b})
        {'w': Tensor([3. 4.], dtype=float32), 'b': Tensor(1., dtype=float32)}
        """
        self._check(unconnected_gradients)
        found = self._gradient(target, sources, output_gradients, unconnected_gradients)
        self._finish()
        return found

    def jacobian(self, target: Any, sources: Any, unconnected_gradients: str = "none") -> Any:
        """Differentiate every element of `target` with respect to each of `sources`.

        ``Jᵢⱼ = ∂yᵢ/∂xⱼ``, by one walk back for each element of the target.

        Parameters
        ----------
        target : Tensor
        sources : Tensor or Variable, or a list, tuple or dict of them
        unconnected_gradients : {"none", "zero"}, default "none"

        Returns
        -------
        Tensor or None, or a structure of them like `sources`
            Of shape ``target.shape + source.shape``.

        Raises
        ------
        RuntimeError, TypeError, ValueError
            As `gradient` does.

        Examples
        --------
        >>> import pynn
        >>> x = pynn.Variable([1.0, 2.0])
        >>> with pynn.GradientTape() as tape:
        ...     y = x * x
        >>> tape.jacobian(y, x)
        Tensor([[2. 0.]
                [0. 4.]], dtype=float32)
        """
        self._check(unconnected_gradients)
        y = _differentiable(target, "GradientTape.jacobian: target")
        rows = [
            flatten(self._gradient(y, sources, seed, unconnected_gradients))
            for seed in _basis(y.shape, y.dtype)
        ]
        self._finish()
        leaves = [
            _stacked(column, (*y.shape, *x.shape), x)
            for column, x in zip(_columns(rows, sources), flatten(sources), strict=True)
        ]
        return pack(sources, leaves)

    def batch_jacobian(
        self, target: Tensor, source: Tensor, unconnected_gradients: str = "none"
    ) -> Tensor | None:
        """Differentiate each sample of `target` with respect to the same sample of `source`.

        ``Jₙᵢⱼ = ∂yₙᵢ/∂xₙⱼ``, for targets whose samples depend on their own sample alone.

        Parameters
        ----------
        target : Tensor, shape (batch, ...)
        source : Tensor, shape (batch, ...)
        unconnected_gradients : {"none", "zero"}, default "none"

        Returns
        -------
        Tensor or None
            Of shape ``(batch,) + target.shape[1:] + source.shape[1:]``.

        Raises
        ------
        ValueError
            If the first extents differ.
        RuntimeError, TypeError
            As `gradient` does.
        """
        self._check(unconnected_gradients)
        y = _differentiable(target, "GradientTape.batch_jacobian: target")
        x = _differentiable(source, "GradientTape.batch_jacobian: source")
        if not y.ndim or not x.ndim or y.shape[0] != x.shape[0]:
            raise ValueError(
                "GradientTape.batch_jacobian: target and source need one batch axis in common, got "
                f"shapes {y.shape} and {x.shape}"
            )
        rows = [
            self._gradient(y, x, ops.broadcast_to(seed, y.shape), unconnected_gradients)
            for seed in _basis(y.shape[1:], y.dtype)
        ]
        self._finish()
        if rows and rows[0] is None:
            return None
        parts = [row.reshape(len(row), 1, -1) for row in rows]
        stacked: Tensor = ops.concatenate(parts, axis=1) if parts else Tensor([], y.dtype)
        return stacked.reshape(*y.shape, *x.shape[1:])

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Remember nothing for a while: a context manager.

        Raises
        ------
        RuntimeError
            If the tape is not recording.

        Examples
        --------
        >>> import pynn
        >>> x = pynn.Variable(3.0)
        >>> with pynn.GradientTape() as tape:
        ...     with tape.stop_recording():
        ...         c = x * x
        ...     y = x * c
        >>> tape.gradient(y, x)
        Tensor(9., dtype=float32)
        """
        if not self._tape.running:
            raise RuntimeError("GradientTape.stop_recording: the tape is not recording")
        self._tape.stop()
        try:
            yield
        finally:
            self._tape.start()

    def reset(self) -> None:
        """Forget everything, as if the tape were new; a recording goes on."""
        self._tape.clear()
        self._spent = False

    def watched_variables(self) -> tuple[Variable, ...]:
        """Return the trainable variables that were read, in order."""
        found = (known_variable(number) for number in self._tape.variables)
        return tuple(variable for variable in found if variable is not None)

    def _check(self, unconnected: str) -> None:
        if unconnected not in _UNCONNECTED:
            raise ValueError(
                f"unconnected_gradients expects one of {', '.join(_UNCONNECTED)}, "
                f"got {unconnected!r}"
            )
        if self._spent:
            raise RuntimeError(
                "this GradientTape has given its gradients and forgotten the computation; "
                "GradientTape(persistent=True) can be asked more than once"
            )
        if self._tape.running and not self._persistent:
            self._tape.stop()

    def _finish(self) -> None:
        if not self._persistent:
            self._spent = True
            self._tape.clear()

    def _gradient(self, target: Any, sources: Any, seeds: Any, unconnected: str) -> Any:
        y = [_differentiable(t, "the target of a gradient") for t in flatten(target)]
        x = [_differentiable(s, "the source of a gradient") for s in flatten(sources)]
        dy = [seeds] if isinstance(target, Tensor) else flatten(seeds)
        dy = [None] * len(y) if seeds is None else dy
        if len(dy) != len(y):
            raise ValueError(f"output_gradients has {len(dy)} tensors for {len(y)} targets")
        given = [
            g if g is None or isinstance(g, Tensor) else Tensor(g, dtype=t.dtype)
            for g, t in zip(dy, y, strict=True)
        ]
        found = self._tape.gradient(y, given, x)
        if unconnected == "zero":
            found = [ops.zeros_like(s) if g is None else g for g, s in zip(found, x, strict=True)]
        return pack(sources, found)


def _differentiable(x: Any, what: str) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{what} must be a Tensor or Variable, got {type(x).__name__}: functions of NumPy "
            "arrays give NumPy arrays, which no tape follows; make a Tensor first"
        )
    if "float" not in x.dtype:
        raise TypeError(f"{what} must have a floating-point dtype, got {x.dtype}")
    return x


def _basis(shape: Sequence[int], dtype: str) -> Iterator[Tensor]:
    """Go through the tensors that are 1 in one place and 0 elsewhere."""
    size = 1
    for extent in shape:
        size *= extent
    for i in range(size):
        yield ops.cast(ops.one_hot(Tensor(i), size), dtype).reshape(*shape)


def _columns(rows: list[list[Any]], sources: Any) -> list[list[Any]]:
    """Turn a list of gradients for each target into one for each source."""
    return [[row[i] for row in rows] for i in range(len(flatten(sources)))]


def _stacked(rows: list[Any], shape: tuple[int, ...], x: Tensor) -> Tensor | None:
    if rows and rows[0] is None:
        return None
    if not rows:
        return Tensor(ops.zeros(shape, x.dtype))
    stacked: Tensor = ops.concatenate([row.reshape(1, -1) for row in rows], axis=0)
    return stacked.reshape(*shape)

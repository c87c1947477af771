"""Preprocessing as layers: part of the network, and saved with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pynn import checks, ops
from pynn._native import Recorder, Tensor
from pynn.layers.base import Layer
from pynn.layers.embedding import symbols
from pynn.layers.weights import Shape


class Rescaling(Layer):
    """``y = scale x + offset``.

    Parameters
    ----------
    scale : float or sequence of float
        Factor; several go along the last axis.
    offset : float or sequence of float, default 0.0
        What is added; several go along the last axis.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Rescaling
    >>> Rescaling(1 / 255)(np.array([[0, 51, 255]], "uint8")).round(3)
    array([[0. , 0.2, 1. ]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        scale: float | Sequence[float],
        offset: float | Sequence[float] = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        for name, value in (("scale", scale), ("offset", offset)):
            if checks.as_array(value, f"Rescaling: {name}").ndim > 1:
                raise ValueError(f"Rescaling: {name} expects a number or a row, got {value!r}")
        self.scale = scale
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        scale, offset = Tensor(self.scale, self.dtype), Tensor(self.offset, self.dtype)
        return x * scale + offset


class Normalization(Layer):
    """Features of mean 0 and variance 1, or from 0 to 1, by statistics of data seen before.

    ``y = (x - mean) / √variance``, or ``y = (x - minimum) / (maximum - minimum)``; a feature that
    never varies is shifted only.

    Parameters
    ----------
    axis : int or None, default -1
        The axis of features, counted with the batch axis, or from the end; ``None`` takes all
        values as one feature.
    mean, variance : array_like or None, default None
        The statistics, if they are known; else see `adapt`.
    method : {"z-score", "min-max"}, default "z-score"
        Which of the two.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    statistics : list of Variable
        Mean and variance, or minimum and maximum, of each feature.

    Raises
    ------
    ValueError, TypeError
        If the statistics don't fit the inputs, or only one of them is given.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Normalization
    >>> layer = Normalization()
    >>> layer.adapt(np.array([[0.0, 10.0], [2.0, 30.0]]))
    >>> layer(np.array([[2.0, 20.0]]))
    array([[1., 0.]], dtype=float32)
    """

    supports_masking = True
    names: ClassVar[dict[str, tuple[str, str]]] = {
        "z-score": ("mean", "variance"),
        "min-max": ("minimum", "maximum"),
    }

    def __init__(
        self,
        axis: int | None = -1,
        mean: Any = None,
        variance: Any = None,
        method: str = "z-score",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.axis = None if axis is None else checks.whole(axis, "Normalization: axis", -99)
        self.method = checks.one_of(method, tuple(self.names), "Normalization: method")
        if (mean is None) != (variance is None) or (mean is not None and method == "min-max"):
            raise ValueError("Normalization: mean and variance go together, with the z-score")
        self.mean = mean
        self.variance = variance

    def build(self, input_shape: Shape) -> None:
        rank = len(input_shape) + 1
        if self.axis is not None and not 1 <= self.axis % rank < rank:
            raise ValueError(f"{self}: inputs with {rank} axes have no features along {self.axis}")
        extents = () if self.axis is None else (input_shape[self.axis % rank - 1],)
        first = ("zeros", "ones")
        given = (self.mean, self.variance)
        self.statistics = [
            self.add_weight(name, extents, initializer, trainable=False)
            for name, initializer in zip(self.names[self.method], first, strict=True)
        ]
        for weight, value in zip(self.statistics, given, strict=True):
            if value is not None:
                weight.assign(ops.broadcast_to(value, extents))

    def adapt(self, data: Any) -> None:
        """Take the statistics of these samples.

        Parameters
        ----------
        data : array_like, (samples, ...)
            What inputs will be like.

        Raises
        ------
        ValueError, TypeError
            If the data is empty, not finite, or of another shape than the inputs.
        """
        array = checks.batch(data, f"{self}: data")
        checks.finite(array, f"{self}: data")
        self(array[:1])  # which builds the layer, or checks the shape
        x = Tensor(array, "float64")
        axes = tuple(i for i in range(x.ndim) if self.axis is None or i != self.axis % x.ndim)
        if self.method == "z-score":
            mean = x.mean(axes, keepdims=True)
            found = [mean, ops.square(x - mean).mean(axes)]
        else:
            found = [x.min(axes), x.max(axes)]
        for weight, value in zip(self.statistics, found, strict=True):
            weight.assign(value.reshape(weight.shape))

    def forward(self, x: Tensor) -> Tensor:
        shape = [1] * x.ndim
        if self.axis is not None:
            shape[self.axis] = x.shape[self.axis]
        start, extent = (weight.reshape(shape) for weight in self.statistics)
        spread = ops.sqrt(extent) if self.method == "z-score" else extent - start
        return (x - start) / ops.where(spread == 0, 1, spread)

    def check_input(self, shape: Shape) -> None:
        extents = () if self.axis is None else (shape[self.axis],)
        if extents != tuple(self.statistics[0].shape):
            raise ValueError(
                f"{self} expects {self.statistics[0].shape[0]} features along axis {self.axis}, "
                f"got {shape}"
            )


class Categorical(Layer):
    """Base class of layers whose inputs are integers.

    Parameters
    ----------
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.
    """

    autocast: ClassVar[bool] = False


class CategoryEncoding(Categorical):
    """A row of numbers in place of integers: which of them there are, or how often.

    Parameters
    ----------
    num_tokens : int
        Number of categories: inputs go from 0 to ``num_tokens - 1``.
    output_mode : {"multi_hot", "one_hot", "count"}, default "multi_hot"
        ``"one_hot"`` makes a row with a 1 of each integer, (..., 1) or (...) to (..., num_tokens);
        ``"multi_hot"`` one row with a 1 for each integer that is there and ``"count"`` one with how
        often it is there, (..., n) to (..., num_tokens).
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `num_tokens` is not a positive integer, or `output_mode` is unknown.
    IndexError
        If an input is no category.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import CategoryEncoding
    >>> CategoryEncoding(4, output_mode="count")(np.array([[0, 1, 1]]))
    array([[1., 2., 0., 0.]], dtype=float32)
    """

    def __init__(self, num_tokens: int, output_mode: str = "multi_hot", **options: Any) -> None:
        super().__init__(**options)
        self.num_tokens = checks.whole(num_tokens, "CategoryEncoding: num_tokens")
        self.output_mode = checks.one_of(
            output_mode, ("multi_hot", "one_hot", "count"), "CategoryEncoding: output_mode"
        )

    def forward(self, x: Tensor) -> Tensor:
        return rows_of(self, x, self.num_tokens, self.output_mode)


def rows_of(layer: Layer, x: Tensor, count: int, mode: str) -> Tensor:
    """Make a row of `count` numbers of integers: which of them there are, or how often."""
    if mode == "one_hot" and x.ndim > 1 and x.shape[-1] == 1:
        x = x.reshape(x.shape[:-1])
    x = symbols(layer, x, count)
    rows: Tensor
    if mode == "one_hot" or x.ndim == 1:
        rows = ops.one_hot(x, count, dtype=layer.dtype)
        return rows
    bags = x.reshape(-1, x.shape[-1])
    with Recorder.paused():
        places = Tensor([[i] for i in range(bags.shape[0])])
    rows = ops.index_add(ops.zeros((bags.shape[0], count), dtype=layer.dtype), (places, bags), 1)
    rows = rows if mode == "count" else ops.minimum(rows, 1)
    return rows.reshape(*x.shape[:-1], count)


class Discretization(Layer):
    """The number of the interval that each value lies in: how many boundaries are at most x.

    Parameters
    ----------
    bin_boundaries : sequence of float or None, default None
        Where intervals begin, ascending; n boundaries make n + 1 intervals.
    num_bins : int or None, default None
        Instead of boundaries: how many intervals `adapt` makes, with equally many samples in each.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If the boundaries are not ascending numbers, or not one of the two is given.
    RuntimeError
        If there are no boundaries yet.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Discretization
    >>> Discretization([0.0, 1.0])(np.array([[-1.5, 0.0, 3.0]]))
    array([[0, 1, 2]])
    >>> layer = Discretization(num_bins=2)
    >>> layer.adapt([1.0, 2.0, 8.0, 9.0])
    >>> layer.bin_boundaries
    [8.0]
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError("Discretization expects either bin_boundaries or num_bins")
        self.num_bins = None if num_bins is None else checks.whole(num_bins, "Discretization", 2)
        self.bin_boundaries: list[float] | None = None
        if bin_boundaries is not None:
            self.bin_boundaries = self._ascending(bin_boundaries)

    @staticmethod
    def _ascending(bin_boundaries: Sequence[float]) -> list[float]:
        boundaries = checks.as_array(bin_boundaries, "Discretization: bin_boundaries").tolist()
        if not isinstance(boundaries, list) or boundaries != sorted(boundaries):
            raise ValueError(
                f"Discretization: bin_boundaries expects ascending numbers, got {bin_boundaries}"
            )
        return boundaries

    def adapt(self, data: Any) -> None:
        """Take the boundaries from samples: so that each interval gets equally many.

        Parameters
        ----------
        data : array_like, any shape
            What inputs will be like.

        Raises
        ------
        ValueError, TypeError
            If the data is empty or not finite, or `num_bins` was not given.
        """
        if self.num_bins is None:
            raise ValueError(f"{self}: adapt goes with num_bins, but bin_boundaries were given")
        array = checks.batch(data, f"{self}: data")
        checks.finite(array, f"{self}: data")
        values = ops.sort(Tensor(array, "float64").reshape(-1))
        places = [k * array.size // self.num_bins for k in range(1, self.num_bins)]
        self.bin_boundaries = sorted(set(ops.take(values, places).tolist()))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if config["bin_boundaries"] is not None:
            config["num_bins"] = None  # they have been found
        return config

    def forward(self, x: Tensor) -> Tensor:
        if self.bin_boundaries is None:
            raise RuntimeError(f"{self} has no boundaries yet: adapt it to data")
        begun: Tensor = ops.expand_dims(x, -1) >= Tensor(self.bin_boundaries, x.dtype)
        return begun.sum(-1)

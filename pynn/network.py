"""Network: layers in a row or in a graph, and what one does with them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from pynn import batches, checks
from pynn._native import Frozen
from pynn._registry import unknown_name
from pynn.batchwise import Batchwise
from pynn.frozen import FrozenGraph, Snapshot
from pynn.layers import nested
from pynn.layers.arguments import Arguments, is_shape, mapped_shapes
from pynn.layers.base import Layer
from pynn.layers.graph import Graph, Input, Node
from pynn.layers.weights import Shape, default_name, unchanged_on_failure
from pynn.summary import table


class Network(Batchwise, Layer):
    """Layers whose outputs are the next ones' inputs.

    Layers are added one by one, given as a list, or connected as a graph: call them on an `Input`
    and name its two ends. A network is a layer itself and can be added to another.

    A subclass may write ``forward`` itself: a tensor expression of layers that are its attributes.

    Called with one sample instead of a batch (an array of just `input_shape`), a network gives one
    output, without the batch axis.

    Parameters
    ----------
    layers : iterable of Layer, default ()
        Layers in a row.
    inputs : Input, or list, tuple or dict of Input, or None, default None
        Where a graph begins.
    outputs : Node, or list, tuple or dict of Node, or None, default None
        Where a graph ends. Calls and fits take and give data in the structures of `inputs` and
        `outputs`.
    name : str or None, default None
        What errors and summaries call it; ``None`` is "network".
    dtype : {"float32", "float64", "bfloat16"} or None, default None
        Type of the layers that were given none; ``None`` is float32.

    Raises
    ------
    TypeError, ValueError
        If something else than layers is given, two layers have one name, shapes don't fit, or a
        graph does not lead from `inputs` to `outputs`.

    Examples
    --------
    >>> import pynn
    >>> from pynn.layers import Dense
    >>> pynn.seed(1)
    >>> net = pynn.Network()
    >>> net.add(Dense(3, activation="tanh", input_shape=(2,)))
    >>> net.add(Dense(1, activation="tanh"))
    >>> net.use(loss="mse", optimizer=pynn.optimizers.SGD(learning_rate=0.5))
    >>> x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> history = net.fit(x, y, epochs=1000, batch_size=1, verbose=0)
    >>> net.predict(x).round().ravel()
    array([0., 1., 1., 0.], dtype=float32)
    """

    autocast: ClassVar[bool] = False  # its first layer does
    untracked: ClassVar[frozenset[str]] = Layer.untracked | Batchwise.untracked

    written: ClassVar[bool] = False  # a subclass brings a forward of its own

    def __init_subclass__(cls, **kwargs: Any) -> None:
        own = vars(cls).get("forward")
        if own is not None:
            cls.written = True

            @functools.wraps(own)
            def forward(self: Network, *args: Any, **options: Any) -> Any:
                with self._precise():
                    return own(self, *args, **options)

            setattr(cls, "forward", forward)  # noqa: B010 - mypy: a method
        super().__init_subclass__(**kwargs)

    def __init__(
        self,
        layers: Iterable[Layer] = (),
        *,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._layers: list[Layer] = []
        self._graph: Graph | None = None
        self._names: tuple[list[str], list[str]] | None = None  # of a graph's inputs and outputs
        if inputs is not None or outputs is not None:
            self._connect(inputs, outputs)
        for layer in layers:
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order; those that are attributes, where a subclass writes ``forward``."""
        if not self.written:
            return list(self._layers)
        found: list[Layer] = []
        inside: set[int] = {id(self)}
        for layer in self.walk():
            if id(layer) not in inside:
                found.append(layer)
                inside.update(map(id, layer.walk()))
        return found

    @property
    def dtype(self) -> str:
        """Type of the weights and outputs."""
        return self._state.dtype or (self._layers[0].dtype if self._layers else "float32")

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: keys where they are a dict, or else the names of their `Input`."""
        if self._names is not None:
            return self._names[0]
        return nested.named(mapped_shapes(Node, self.input_shape), lambda _: "input")

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs: keys where they are a dict, or else of the layers they come from.

        They are the keys of `fit`'s losses and metrics where there are several.
        """
        if self._names is not None:
            return self._names[1]
        last = self._layers[-1].name if self._layers else "output"
        return nested.named(self._state.outputs, lambda _: last)

    def add(self, layer: Layer | Input) -> None:
        """Put a layer behind the others.

        Where the shape of its inputs is known, its weights are made at once.

        Parameters
        ----------
        layer : Layer or Input
            An `Input` may come first and only says the shape of one sample.

        Raises
        ------
        TypeError
            If it is not a layer.
        ValueError
            If its name is taken or the shapes don't fit; the network is as before.
        RuntimeError
            If the network is a graph.
        """
        if self.written:
            raise RuntimeError(f"{self} has a forward of its own: keep the layer as an attribute")
        if self._graph is not None:
            raise RuntimeError(f"{self} is a graph of layers; connect layers before making it")
        if isinstance(layer, Input):
            if self._layers or self._state.input_shape is not None:
                raise ValueError(f"{self}: an Input can only come first")
            self._state.input_shape = layer.shape
            return
        self._check_layer(layer)
        with unchanged_on_failure([self, *layer.walk()]):
            self._adopt(layer, self._layers)
            if not self._layers and layer.input_shape is not None:
                self._state.input_shape = layer.input_shape
            known = self.built if self._layers else self._state.input_shape is not None
            if known:
                last = self._state.outputs if self._layers else Node(self._state.input_shape)
                self._state.outputs = layer._infer(last)
                self._state.built = True
            self._layers = [*self._layers, layer]

    def pop(self) -> Layer:
        """Take the last layer away, and return it.

        Raises
        ------
        RuntimeError
            If there is none, or the network is not layers in a row.
        """
        if self.written or self._graph is not None:
            raise RuntimeError(f"{self} is not layers in a row: only those can be popped")
        if not self._layers:
            raise RuntimeError(f"{self} has no layers")
        *kept, last = self._layers
        self._layers = kept
        self._state.built = self.built and bool(kept)
        if self.built:
            self.build(self._state.input_shape)
        return last

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Find a layer by its name or its place.

        Parameters
        ----------
        name : str or None, default None
            Its name.
        index : int or None, default None
            Its place in `layers`; negative ones count from the end.

        Raises
        ------
        ValueError
            If neither or both are given, or no layer has that name; the nearest one is suggested.
        IndexError
            If there are fewer layers.

        Examples
        --------
        >>> from pynn import Network
        >>> from pynn.layers import Dense
        >>> Network([Dense(3, name="hidden"), Dense(1)]).get_layer("hidden").units
        3
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError(f"{self}: get_layer expects a name or an index")
        if index is not None:
            place = checks.whole(index, "get_layer: index", -len(layers))
            if place >= len(layers):
                raise IndexError(f"{self} has {len(layers)} layers, got index {index}")
            return layers[place]
        for layer in layers:
            if layer.name == name:
                return layer
        raise unknown_name("layer", str(name), [layer.name for layer in layers])

    def build(self, input_shape: Shape) -> None:
        """Make all layers' weights, knowing the shape of one sample."""
        if self.written:  # its layers do that when its forward calls them
            layers = self.layers
            for i, layer in enumerate(layers):
                self._adopt(layer, layers[:i])
            return
        if not self._layers:
            raise ValueError(f"{self} has no layers yet: add one")
        with unchanged_on_failure(self.walk()):
            outputs = Node(input_shape)
            for layer in self._layers:
                outputs = layer._infer(outputs)
        self._state.outputs = outputs

    def forward(self, x: Any) -> Any:
        with self._precise():
            return self._forward(x)

    def _forward(self, x: Any) -> Any:
        if self._graph is not None:
            return self._graph(x)
        for layer in self._layers:
            x = layer.forward(x, encoded=True) if layer.encodes else layer.forward(x)
        return x

    @property
    def encodes(self) -> bool:
        """Whether its first layer, or one of those behind the inputs of a graph, does."""
        if self._graph is not None:
            return any(encoder is not None for encoder in self._graph.encoders)
        return bool(self._layers) and self._layers[0].encodes

    def encode(self, data: Any) -> Any:
        """Turn data into arrays of numbers, before a program sees them."""
        if self._graph is None:
            return self._layers[0].encode(data)
        encoders = self._graph.encoders
        given = batches.parts(data, self.input_shape, self.input_names, str(self))
        found = [
            x if layer is None else layer.encode(x)
            for x, layer in zip(given, encoders, strict=True)
        ]
        slots = iter(found)
        return mapped_shapes(lambda _: next(slots), self.input_shape)

    def _check_inputs(self, call: Arguments) -> None:
        if is_shape(self.input_shape):
            super()._check_inputs(call)
        elif call.shapes(1, type(self).build)[0] != self.input_shape:
            raise ValueError(
                f"{self} expects samples of shapes {self.input_shape}, "
                f"got {call.shapes(1, type(self).build)[0]}"
            )

    def check_input(self, shape: Shape) -> None:
        if self.written or shape[1:] == self.input_shape:
            return
        if self._layers[0].built:
            self._layers[0].check_input(shape)
        expected = ", ".join(map(str, ("batch", *(self.input_shape or ()))))
        raise ValueError(f"{self} expects inputs of shape ({expected}), got {shape}")

    def input_dtype(self, dtype: str, i: int = 0) -> str:
        if self._graph is not None:
            return self._graph.input_dtype(dtype, i)
        return self._layers[0].input_dtype(dtype) if self._layers else dtype

    def freeze(self) -> Frozen | FrozenGraph:
        """Make a native function of the network as it is now, for calls that must be short.

        ``run = net.freeze()`` keeps a copy of the layers and weights: whatever happens to the
        network later does not show in it. ``run(x)`` computes what ``net(x)`` does, up to rounding,
        for one sample or a batch. ``run(x, out)`` writes to ``out``, an array of the right shape
        and type, and returns it. Threads may call it at the same time; it can be pickled and
        survives fork. The first call with a number of rows records the network for it, and the last
        16 of these recordings are kept; more than 1,024 rows are computed 1,024 at a time.

        With several inputs ``run(a, b)`` and ``run([a, b])`` are the same; results, and ``out``,
        are in the structure of the outputs.

        Returns
        -------
        Frozen or, with several inputs or outputs, FrozenGraph
            The function, with ``input_shape`` and ``output_shape`` of one sample and, of one input,
            the ``dtype`` that needs no conversion.

        Raises
        ------
        RuntimeError
            If the network does not know its input shape.

        Examples
        --------
        >>> import numpy as np
        >>> import pynn
        >>> from pynn.layers import Dense
        >>> run = pynn.Network([Dense(2, activation="tanh", input_shape=(4,))]).freeze()
        >>> run
        <frozen Network 'network': (4,) -> (2,), float32>
        >>> y = np.empty(2, "float32")
        >>> run(np.zeros(4, "float32"), out=y)
        array([0., 0.], dtype=float32)
        """
        self._require_shape("freeze")
        snapshot = Snapshot.of(self)
        plain = is_shape(self.input_shape) and is_shape(self.output_shape)
        return Frozen(snapshot) if plain else FrozenGraph(snapshot)

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print the layers with the shapes of their outputs and the numbers of their weights.

        Of a graph it says as well which inputs and layers each layer gets its inputs from.

        Parameters
        ----------
        print_fn : callable, default print
            Gets the table as one string.

        Examples
        --------
        >>> from pynn import Network
        >>> from pynn.layers import Dense
        >>> Network([Dense(3, input_shape=(2,)), Dense(1)]).summary()
        Network 'network'
        layer           output shape   parameters
        -----------------------------------------
        dense (Dense)   (3,)                    9
        dense_1 (Dense) (1,)                    4
        -----------------------------------------
        13 parameters (52 B), all trainable
        """
        print_fn(table(self))

    def _connect(self, inputs: Any, outputs: Any) -> None:
        self._graph = graph = Graph.between(self, inputs, outputs)
        for layer in graph.layers:
            self._adopt(layer, self._layers)
            self._layers.append(layer)
        self._names = (
            nested.named(inputs, lambda node: node.name or "input"),
            nested.named(
                outputs, lambda node: node.layer.name if node.layer else node.name or "output"
            ),
        )
        pairs = zip(nested.tensors(inputs), graph.encoders, strict=True)
        shapes = iter([e.encoded_shape(node.shape) if e else node.shape for node, e in pairs])
        self._state.input_shape = nested.mapped(lambda _: next(shapes), inputs)
        self._state.outputs = nested.mapped(lambda node: Node(node.shape, node.dtype), outputs)
        self._state.built = True

    def _check_layer(self, layer: object) -> None:
        if isinstance(layer, type):
            raise TypeError(
                f"add expects a layer, got the class {layer.__name__}; write {layer.__name__}(...)"
            )
        if not isinstance(layer, Layer):
            raise TypeError(f"add expects a layer, got {layer!r}")
        if layer is self or self in layer.walk():
            raise ValueError(f"{self} can't be added to itself")
        if layer.encodes and (self._layers or isinstance(layer, Network)):
            raise ValueError(f"{self}: {layer} takes data that are no numbers, so it comes first")

    def _adopt(self, layer: Layer, others: Sequence[Layer]) -> None:
        """Give a layer this network's dtype and a name that none of the others has."""
        if layer in others:
            return
        taken = {other.name for other in others}
        if layer._state.name in taken:
            raise ValueError(f"{self} already has a layer named {layer.name!r}")
        if layer.name in taken or layer._state.unique_name is None:
            base = default_name(type(layer))
            numbered = (f"{base}_{i}" if i else base for i in range(len(taken) + 1))
            layer._state.unique_name = next(name for name in numbered if name not in taken)
        if self._state.dtype is not None:
            layer.adopt_dtype(self._state.dtype)
            for part in layer.walk():
                if part._state.dtype is None and part.dtype != self.dtype:
                    raise ValueError(
                        f"{self} has dtype {self.dtype}, but {part} has been called in "
                        f"{part.dtype} already: give it dtype={self.dtype!r} when it is made"
                    )

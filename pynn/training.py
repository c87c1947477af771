"""What a network does with data: fit, evaluate and predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from pynn import batches, checks, goals, losses, optimizers
from pynn._native import Recorder, Tensor, all_finite
from pynn._registry import unknown_name
from pynn.batches import Data
from pynn.callbacks import Callback, CallbackList
from pynn.history import History
from pynn.layers import nested
from pynn.layers.arguments import is_shape
from pynn.layers.graph import Node
from pynn.layers.replay import Changes
from pynn.layers.weights import unchanged_on_failure
from pynn.loop import Display, FitLoop, replay
from pynn.random import fresh_key
from pynn.steps import Step

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pynn.network import Network

SMALL_ARENA = 1 << 20  # bytes of programs that the short way of predict keeps
LARGE_BATCH = 1024  # rows at once where the result does not depend on it
MIXED = "mixed_bfloat16"
PRECISIONS = ("float32", MIXED)


class Trainable:
    """The part of `Network` that deals with data."""

    untracked: ClassVar[frozenset[str]] = frozenset(
        ("loss", "loss_weights", "optimizer", "metrics", "history", "stop_training")
    )

    loss: losses.Loss | Any  # of several outputs: a list of losses
    loss_weights: list[float]
    optimizer: optimizers.Optimizer
    metrics: list[Any]  # of several outputs: a list of metrics for each
    history: History | None = None
    stop_training: bool = False
    precision: str = "float32"

    def use(
        self,
        loss: Any,
        optimizer: Any = "adam",
        metrics: Any = None,
        precision: str = "float32",
        loss_weights: Any = None,
    ) -> None:
        """Say what training makes small, how, and what is measured beside it.

        `compile` is another name of this method.

        Parameters
        ----------
        loss : str, Loss or function, or list or dict of them
            A name such as ``"mse"``, an object, or a function ``f(y_true, y_pred)`` of tensors.
            Several outputs have one for all, a list, or a dict by output's name; the network's
            `output_names` says them.
        optimizer : str or Optimizer, default "adam"
            A name or an object.
        metrics : list of (str, Metric or function), or None, default None
            What `fit` and `evaluate` report beside the loss. Sample weights don't enter it. For
            several outputs a list that has a metric or a list for each, or a dict by name.
        precision : {"float32", "mixed_bfloat16"}, default "float32"
            ``"mixed_bfloat16"`` rounds the operands of the layers' matrix products, forward and
            backward, to bfloat16. Their sums and everything else stay float32: weights, outputs,
            losses, gradients and the optimizer's state. It holds for prediction as for training. A
            CPU with bfloat16 instructions (AVX-512 BF16) computes such products at up to twice the
            speed, others a little slower than in float32.
        loss_weights : list or dict of float, or None, default None
            Factors of the outputs' losses in the sum that training makes small; ``None`` is 1.

        Raises
        ------
        ValueError
            If a name is unknown; the nearest one is suggested and nothing has changed. If a layer
            is of float64 and mixed precision is asked for.
        TypeError
            If something else is given.
        """
        chosen = goals.chosen(cast("Network", self), loss, loss_weights, metrics)
        found_optimizer = optimizers.get(optimizer)
        if precision not in PRECISIONS:
            raise unknown_name("precision", str(precision), PRECISIONS)
        if precision == MIXED:
            self._refuse_float64()
        self.loss, self.loss_weights, self.metrics = chosen
        self.optimizer = found_optimizer
        self.precision = precision

    compile = use

    def fit(
        self,
        x: ArrayLike | Tensor,
        y: ArrayLike | Tensor,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Sequence[Any] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        check_inputs: bool = True,
    ) -> History:
        """Train the network.

        Each epoch goes once through the samples, in an order that `pynn.seed` decides, and changes
        the weights after every batch. Forward, loss, gradient and update run natively, without the
        GIL. Ctrl-C stops after the running batch and leaves a network that can be used.

        Parameters
        ----------
        x : array_like, (n, ...), or list, tuple or dict of them
            Inputs; several in the network's structure, or a dict by `input_names`.
        y : array_like, (n, ...), or list, tuple or dict of them
            Targets, as the loss wants them; several like inputs, by `output_names`.
        batch_size : int, default 32
            Samples an update; the last batch of an epoch may be smaller.
        epochs : int, default 1
            Epoch to stop after.
        verbose : {"auto", 0, 1, 2}, default "auto"
            0: print nothing; 1, which is "auto": a progress bar an epoch; 2: a line an epoch.
        callbacks : sequence of Callback or None, default None
            Code that runs at certain moments.
        validation_split : float, default 0.0
            Share of the samples, from the end, that is kept out of training for validation.
        validation_data : (x, y) or (x, y, sample_weight) or None, default None
            Samples for validation after every epoch.
        shuffle : bool, default True
            Whether the order of the samples is drawn anew for every epoch.
        class_weight : dict of int to float or None, default None
            Factor of the loss of each class's samples.
        sample_weight : array_like, (n,), or None, default None
            Factor of each sample's loss, at least 0. The loss is their sum divided by the number of
            samples. Several outputs have one for all, a list, or a dict by `output_names`.
        initial_epoch : int, default 0
            Epoch to start with: a fit that goes on where another stopped.
        check_inputs : bool, default True
            Whether to look for NaN and infinity in the data first.

        Returns
        -------
        History
            Loss and metrics of every epoch. The loss includes the regularizers' penalties. Of
            several outputs each has its loss beside it, without `loss_weights`.

        Raises
        ------
        RuntimeError
            If `use` was not called, or the network is being trained already.
        ValueError, TypeError
            If data or arguments are not as described; the network is as before.
        NonFiniteLossError
            If the loss becomes NaN or infinite. It names epoch and batch, counted from 1, and the
            weights are the last good ones: those from the start of that epoch, or of the one
            before if its first loss is not finite.
        """
        network = cast("Network", self)
        self._require_use("fit")
        epochs = checks.whole(epochs, "fit: epochs")
        batch_size = checks.whole(batch_size, "fit: batch_size")
        first = checks.whole(initial_epoch, "fit: initial_epoch", 0)
        if first >= epochs:
            raise ValueError(f"fit: initial_epoch must be below epochs {epochs}, got {first}")
        share = checks.fraction(validation_split, "fit: validation_split")
        shows = _verbosity(verbose)
        with alone(network):
            with unchanged_on_failure(network.walk()):
                data = batches.samples(
                    network, x, y, sample_weight, finite=check_inputs, class_weight=class_weight
                )
                validation = self._validation(validation_data, check_inputs)
                if validation is None and share > 0:
                    data, validation = _held_out(data, share)
                self.optimizer.build(network.parameters)
                step = Step.of(network, "train", data, batch_size)
                params = {
                    "epochs": epochs,
                    "steps": -(-data.rows // step.batch_size),
                    "batch_size": batch_size,
                }
                hooks = CallbackList(callbacks or (), network, params)
            self.history = history = History(params)
            self.stop_training = False
            loop = FitLoop(network, step, data, bool(shuffle), hooks)
            if shows == 0 and not hooks and validation is None:
                history.extend(first, loop.run(first, epochs))
            else:
                self._watch(loop, hooks, validation, range(first, epochs), shows)
        return history

    def evaluate(
        self,
        x: ArrayLike | Tensor,
        y: ArrayLike | Tensor,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: ArrayLike | None = None,
        check_inputs: bool = True,
    ) -> dict[str, float]:
        """Measure loss and metrics on data.

        Parameters
        ----------
        x, y : array_like, (n, ...)
            Inputs and targets.
        batch_size : int or None, default None
            Samples at once; ``None`` chooses. The result does not depend on it, but for the loss of
            sequences with a mask, which is a mean over the steps of each batch that are seen.
        verbose : {"auto", 0, 1, 2}, default 0
            Other than 0: print the result.
        sample_weight : array_like, (n,), or None, default None
            Factor of each sample's loss.
        check_inputs : bool, default True
            Whether to look for NaN and infinity in the data first.

        Returns
        -------
        dict of str to float
            ``"loss"`` and the metrics.

        Raises
        ------
        RuntimeError
            If `use` was not called or the network does not know its input shape.
        ValueError, TypeError
            If data or arguments are not as described.
        """
        network = cast("Network", self)
        self._require_use("evaluate")
        self._require_shape("evaluate")
        size = checks.whole(
            LARGE_BATCH if batch_size is None else batch_size, "evaluate: batch_size"
        )
        shows = _verbosity(verbose)
        data = batches.samples(network, x, y, sample_weight, finite=check_inputs)
        logs = self._measure(data, size)
        if shows:
            print("evaluate", *(f"{name} {value:.4f}" for name, value in logs.items()))
        return logs

    def predict(
        self,
        x: ArrayLike | Tensor,
        batch_size: int | None = None,
        check_inputs: bool = True,
    ) -> Any:
        """Compute the outputs of many samples.

        It may be called from several threads.

        Parameters
        ----------
        x : array_like or Tensor, (n, ...)
            Inputs.
        batch_size : int or None, default None
            Samples at once; ``None`` chooses. The result does not depend on it.
        check_inputs : bool, default True
            Whether to look for NaN and infinity in the data first.

        Returns
        -------
        numpy.ndarray or Tensor, (n, ...)
            Outputs; a tensor for a tensor.

        Raises
        ------
        RuntimeError
            If the network does not know its input shape.
        ValueError, TypeError
            If data or arguments are not as described.
        """
        network = cast("Network", self)
        short = network._state.replay
        # The short way for what was seen before: a microsecond counts here.
        known = short.predicts if batch_size is None and short.seen == Changes.count else {}
        if known and type(x) is np.ndarray:
            last = short.predicted
            if last is not None and (y := last(x)) is not None:
                if not check_inputs or all_finite(x):
                    return y
            elif (program := known.get((x.shape, x.dtype))) is not None:
                short.predicted = program.answer
                if not check_inputs or all_finite(x):
                    return program(x)[0]
        self._require_shape("predict")
        size = checks.whole(
            LARGE_BATCH if batch_size is None else batch_size, "predict: batch_size"
        )
        arrays = batches.inputs(network, x, "x", check_inputs)
        rows = arrays[0]
        program = known.get((rows.shape, rows.dtype))
        found: list[NDArray[Any]]
        if program is not None:
            found = program(rows)
        else:
            step = Step.of(network, "predict", Data(tuple(arrays), len(arrays)), size)
            program = step.full.executable
            found = [np.empty((len(rows), *s[1:]), dtype) for s, dtype in program.output_types]
            replay(step, arrays, gathered=found, key=fresh_key())
            whole = step.tail is None and step.batch_size == len(rows)
            plain = is_shape(network.input_shape) and is_shape(network.output_shape)
            plain = plain and not network.encodes
            if plain and whole and not program.random and program.arena_bytes < SMALL_ARENA:
                short.forget_outdated()
                short.predicts[rows.shape, rows.dtype] = program
        given = [x] if is_shape(network.input_shape) else nested.tensors(x)
        tensors = any(isinstance(part, Tensor) for part in given)
        return nested.filled(network._state.outputs, map(Tensor, found) if tensors else found)

    def _watch(
        self,
        loop: FitLoop,
        hooks: CallbackList,
        validation: Data | None,
        epochs: range,
        verbosity: int,
    ) -> None:
        """Run epochs one by one, with progress, callbacks and validation."""
        assert self.history is not None
        logs: dict[str, float] = {}
        hooks.call("on_train_begin", {})
        for epoch in epochs:
            hooks.call("on_epoch_begin", epoch, {})
            with Display(verbosity, epoch, epochs.stop, loop.rows) as display:
                logs = loop.epoch(epoch, display)
                if validation is not None:
                    figures = self._measure(validation)
                    logs |= {f"val_{name}": value for name, value in figures.items()}
                display.close(logs)
            self.history.record(epoch, logs)
            hooks.call("on_epoch_end", epoch, logs)
            if self.stop_training:
                break
        hooks.call("on_train_end", logs)

    def _measure(self, data: Data, batch_size: int = LARGE_BATCH) -> dict[str, float]:
        network = cast("Network", self)
        step = Step.of(network, "evaluate", data, batch_size)
        [totals] = replay(step, data.arrays, key=fresh_key())
        return step.logs(totals, data.rows)

    def _validation(self, given: Sequence[Any] | None, finite: bool) -> Data | None:
        if given is None:
            return None
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            what = (
                f"{len(given)} items" if isinstance(given, (tuple, list)) else type(given).__name__
            )
            raise ValueError(f"validation_data expects (x, y) or (x, y, sample_weight), got {what}")
        network = cast("Network", self)
        return batches.samples(network, *given, prefix="validation_data ", finite=finite)

    @contextmanager
    def _precise(self) -> Iterator[None]:
        """Record products in this network's precision; in a network of another's inside its own."""
        recorder = Recorder.current()
        if self.precision != MIXED or recorder is None or recorder.rounds_products:
            yield
            return
        self._refuse_float64()
        recorder.rounds_products = True
        try:
            yield
        finally:
            recorder.rounds_products = False

    def _refuse_float64(self) -> None:
        for layer in cast("Network", self).walk():
            if layer._state.dtype == "float64":
                raise ValueError(f"{self}: {MIXED} is for float32 layers, but {layer} has float64")

    def _require_use(self, what: str) -> None:
        if not hasattr(self, "loss"):
            raise RuntimeError(f"{self}: call use(loss=..., optimizer=...) before {what}")

    def _require_shape(self, what: str) -> None:
        network = cast("Network", self)
        if not network.layers:
            raise RuntimeError(f"{self} has no layers yet: add one before {what}")
        if not network.built:
            if network.input_shape is None:
                raise RuntimeError(
                    f"{self} doesn't know its input shape: give its first layer input_shape=..., "
                    f"or fit it before {what}"
                )
            network._infer(Node(network.input_shape))


@contextmanager
def alone(network: Network) -> Iterator[None]:
    """Refuse to train a network that is being trained: by another thread, or by a callback."""
    lock = network._state.replay.training_lock
    if not lock.acquire(blocking=False):
        raise RuntimeError(f"{network} is being trained already")
    try:
        yield
    finally:
        lock.release()


def _held_out(data: Data, share: float) -> tuple[Data, Data]:
    kept = data.rows - int(data.rows * share)
    if not 0 < kept < data.rows:
        raise ValueError(
            f"validation_split {share} of {data.rows} samples leaves {kept} to train on "
            f"and {data.rows - kept} to validate with"
        )
    return data.split(kept)


def _verbosity(value: int | str) -> int:
    if value == "auto":
        return 1
    if value not in (0, 1, 2) or isinstance(value, float):
        raise ValueError(f"verbose expects 'auto', 0, 1 or 2, got {value!r}")
    return int(value)

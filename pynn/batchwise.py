"""Training in a loop of one's own, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pynn import batches
from pynn._native import Checkpoint, NonFiniteLossError
from pynn.layers.weights import unchanged_on_failure
from pynn.loop import replay
from pynn.random import fresh_key
from pynn.steps import Step
from pynn.training import Trainable, alone

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pynn._native import Tensor
    from pynn.network import Network


class Batchwise(Trainable):
    """The part of `Network` that does one thing with one batch."""

    def train_on_batch(
        self,
        x: ArrayLike | Tensor,
        y: ArrayLike | Tensor,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        check_inputs: bool = True,
    ) -> dict[str, float]:
        """Change the weights once, by the gradient of the loss of these samples.

        Parameters
        ----------
        x, y : array_like, (n, ...), or list, tuple or dict of them
            Inputs and targets, as for `fit`.
        sample_weight, class_weight, check_inputs
            As for `fit`.

        Returns
        -------
        dict of str to float
            ``"loss"`` and the metrics, before the change.

        Raises
        ------
        RuntimeError
            If `use` was not called, or the network is being trained already.
        ValueError, TypeError
            If data or arguments are not as described; the network is as before.
        NonFiniteLossError
            If the loss is NaN or infinite; the weights are as before.

        Examples
        --------
        >>> import numpy as np
        >>> import pynn
        >>> net = pynn.Network([pynn.layers.Dense(1, kernel_initializer="zeros")])
        >>> net.use("mse", pynn.optimizers.SGD(0.25))
        >>> x, y = np.array([[1.0], [-1.0]]), np.array([[4.0], [-4.0]])
        >>> [net.train_on_batch(x, y)["loss"] for step in range(3)]
        [16.0, 4.0, 1.0]
        """
        network = cast("Network", self)
        self._require_use("train_on_batch")
        with alone(network):
            with unchanged_on_failure(network.walk()):
                data = batches.samples(
                    network, x, y, sample_weight, finite=check_inputs, class_weight=class_weight
                )
                self.optimizer.build(network.parameters)
                step = Step.of(network, "train", data, data.rows)
            state = network._state.replay
            state.calls += 1
            try:
                [totals] = replay(
                    step,
                    data.arrays,
                    key=fresh_key(),
                    first_epoch=state.calls,
                    check_loss=True,
                    checkpoint=Checkpoint([*network.weights, *self.optimizer.variables]),
                )
            except NonFiniteLossError as error:
                error.args = (
                    f"the loss of {network} became {error.value}; the weights are as they were "
                    "before this batch. A smaller learning rate or clipnorm may help",
                )
                raise
        return step.logs(totals, data.rows)

    def test_on_batch(
        self,
        x: ArrayLike | Tensor,
        y: ArrayLike | Tensor,
        sample_weight: ArrayLike | None = None,
        check_inputs: bool = True,
    ) -> dict[str, float]:
        """Measure loss and metrics of these samples at once: `evaluate` of one batch.

        Parameters
        ----------
        x, y : array_like, (n, ...), or list, tuple or dict of them
            Inputs and targets.
        sample_weight, check_inputs
            As for `evaluate`.

        Returns
        -------
        dict of str to float
            ``"loss"`` and the metrics.

        Raises
        ------
        RuntimeError, ValueError, TypeError
            As `evaluate` does.
        """
        self._require_use("test_on_batch")
        self._require_shape("test_on_batch")
        network = cast("Network", self)
        data = batches.samples(network, x, y, sample_weight, finite=check_inputs)
        return self._measure(data, data.rows)

    def predict_on_batch(self, x: ArrayLike | Tensor, check_inputs: bool = True) -> Any:
        """Compute the outputs of one batch; the same as `predict`, which chooses how to cut it.

        Parameters
        ----------
        x : array_like or Tensor, (n, ...), or list, tuple or dict of them
            Inputs.
        check_inputs : bool, default True
            Whether to look for NaN and infinity in the data first.

        Returns
        -------
        numpy.ndarray or Tensor, (n, ...)
            Outputs; a tensor for a tensor.

        Raises
        ------
        RuntimeError, ValueError, TypeError
            As `predict` does.
        """
        return self.predict(x, check_inputs=check_inputs)

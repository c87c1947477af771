"""PyTorch on the CPU: eager, and with what ``torch.compile`` makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks import inputs
from benchmarks.networks import Data, Mlp
from benchmarks.peers.base import Peer, Trainer
from benchmarks.task import Task, Timed, Unsupported

# Where the name differs from pynn's.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "hard_sigmoid": functional.hardsigmoid,
    "hard_tanh": functional.hardtanh,
    "hard_silu": functional.hardswish,
    "log_sigmoid": functional.logsigmoid,
}


class Torch(Peer):
    """PyTorch, eager."""

    imports = "import torch"
    distribution = "torch"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return TorchTrainer(network, data, batch_size, compiled=False)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> tuple[Any, ...]:
        torch.set_grad_enabled(False)
        return build(network, logits=False), torch.from_numpy(row)

    def matmul(self, m: int, n: int, k: int, dtype: str, transposed: bool) -> Task:
        a, b = map(torch.from_numpy, inputs.factors(m, n, k, dtype, transposed))
        out = torch.empty((m, n), dtype=getattr(torch, dtype))
        return Timed(lambda: torch.mm(a, b, out=out))

    def dense(self, batch: int, features: int, units: int, activation: str) -> Task:
        x, kernel, bias = map(torch.from_numpy, inputs.layer(batch, features, units))
        function = _function(activation)
        return Timed(lambda: function(torch.addmm(bias, x, kernel)))

    def unary(self, name: str, size: int, dtype: str, domain: tuple[float, float]) -> Task:
        return Timed(_function(name), torch.from_numpy(inputs.uniform(size, dtype, domain)))

    def softmax(self, name: str, shape: tuple[int, ...]) -> Task:
        x = torch.from_numpy(inputs.uniform(shape, domain=(-4, 4)))
        return Timed(getattr(torch, name), x, -1)

    def update(self, network: Mlp) -> Task:
        def start() -> tuple[torch.nn.Parameter, torch.optim.Optimizer]:
            w = np.concatenate([w.ravel() for w in network.weights()])
            parameter = torch.nn.Parameter(torch.from_numpy(w))
            parameter.grad = torch.from_numpy(inputs.uniform(w.size, seed=2))
            return parameter, optimizer(network, [parameter])

        def outputs() -> Sequence[NDArray[Any]]:
            parameter, rule = start()
            rule.step()
            return [parameter.detach().numpy()[:1000]]

        _, rule = start()
        return Timed(rule.step, outputs=outputs)


class TorchCompiled(Torch):
    """PyTorch with the forward and backward pass and the optimizer's step compiled."""

    kinds = frozenset({"train", "first_call"})

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return TorchTrainer(network, data, batch_size, compiled=True)

    def forget(self) -> None:
        torch.compiler.reset()


def _function(name: str) -> Callable[..., Any]:
    function = _FUNCTIONS.get(name) or getattr(torch, name, None) or getattr(functional, name, None)
    if function is None:
        raise Unsupported(f"PyTorch has no {name}")
    return function


def build(network: Mlp, *, logits: bool) -> torch.nn.Sequential:
    """Return the network, without its softmax where the loss takes logits."""
    modules: list[torch.nn.Module] = []
    for kernel, bias, activation in network.layers(network.weights()):
        linear = torch.nn.Linear(*kernel.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(kernel.T))
            linear.bias.copy_(torch.from_numpy(bias))
        modules.append(linear)
        if activation == "relu":
            modules.append(torch.nn.ReLU())
        elif activation == "tanh":
            modules.append(torch.nn.Tanh())
        elif activation == "softmax" and not logits:
            modules.append(torch.nn.Softmax(dim=-1))
    return torch.nn.Sequential(*modules)


def optimizer(network: Mlp, parameters: Any) -> torch.optim.Optimizer:
    """Return the network's optimizer in its fastest form."""
    if network.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=network.learning_rate, fused=True)
    betas = network.BETA_1, network.BETA_2
    return torch.optim.Adam(
        parameters, lr=network.learning_rate, betas=betas, eps=network.EPSILON, fused=True
    )


class TorchTrainer:
    """The usual loop over rows that are in memory as tensors."""

    def __init__(self, network: Mlp, data: Data, batch_size: int, *, compiled: bool) -> None:
        torch.set_grad_enabled(True)
        self.network, self.batch_size = network, batch_size
        self.x, self.y = torch.from_numpy(data.x), torch.from_numpy(data.y)
        self.model = build(network, logits=True)
        self.optimizer = optimizer(network, self.model.parameters())
        losses: dict[str, Any] = {
            "cross_entropy": functional.cross_entropy,
            "mse": functional.mse_loss,
        }
        measure, model = losses[network.loss], self.model

        def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return measure(model(x), y)

        self.loss: Callable[..., torch.Tensor] = torch.compile(loss) if compiled else loss

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        rows, size = len(self.x), self.batch_size
        for _ in range(epochs):
            order = torch.randperm(rows) if shuffle else None
            for first in range(0, rows, size):
                if order is None:
                    x, y = self.x[first : first + size], self.y[first : first + size]
                else:
                    picked = order[first : first + size]
                    x, y = self.x[picked], self.y[picked]
                self.optimizer.zero_grad(set_to_none=True)
                self.loss(x, y).backward()
                self.optimizer.step()

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of the network."""
        with torch.no_grad():
            y = self.model(torch.from_numpy(x))
            if self.network.last == "softmax":
                y = torch.softmax(y, -1)
        return y.numpy()  # type: ignore[no-any-return]

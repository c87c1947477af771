"""PyTorch on the CPU: eager, and with what ``torch.compile`` makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks import inputs
from benchmarks.blocks import Block
from benchmarks.networks import Cnn, Data, Mlp
from benchmarks.peers import torch_blocks
from benchmarks.peers.base import BlockTrainer, Peer, Trainer
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


_MODULES: dict[str, Callable[[], torch.nn.Module]] = {
    "relu": torch.nn.ReLU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
    "gelu": torch.nn.GELU,
    "silu": torch.nn.SiLU,
    "softmax": lambda: torch.nn.Softmax(dim=-1),
}


class Torch(Peer):
    """PyTorch, eager."""

    imports = "import torch"
    distribution = "torch"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.use_threads(threads)

    def use_threads(self, count: int) -> None:
        torch.set_num_threads(count)

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return TorchTrainer(network, data, batch_size, compiled=False)

    def block_trainer(self, block: Block, steps: int) -> BlockTrainer:
        layout = torch.contiguous_format
        return torch_blocks.BlockTrainer(block, steps, compiled=False, layout=layout)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> Task:
        torch.set_grad_enabled(False)
        return Timed(build(network, logits=False).eval(), torch.from_numpy(row))

    def matmul(self, m: int, n: int, k: int, dtype: str, transposed: bool) -> Task:
        wanted = getattr(torch, dtype)
        a, b = (torch.from_numpy(f).to(wanted) for f in inputs.factors(m, n, k, dtype, transposed))
        out = torch.empty((m, n), dtype=wanted)

        def outputs() -> Sequence[NDArray[Any]]:
            y = torch.mm(a, b)
            return [(y.float() if wanted is torch.bfloat16 else y).numpy()]

        return Timed(lambda: torch.mm(a, b, out=out), outputs=outputs)

    def small_products(self, count: int, size: int) -> Task:
        factors = inputs.factors(size, size, size, "float32", False, count=count)
        a, b = map(torch.from_numpy, factors)
        out = torch.empty_like(a)
        return Timed(lambda: torch.bmm(a, b, out=out), per=count)

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
    """PyTorch with network and loss compiled, and so the backward pass."""

    kinds = frozenset({"train", "train_block", "first_call"})

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return TorchTrainer(network, data, batch_size, compiled=True)

    def block_trainer(self, block: Block, steps: int) -> BlockTrainer:
        layout = torch.contiguous_format
        return torch_blocks.BlockTrainer(block, steps, compiled=True, layout=layout)

    def forget(self) -> None:
        torch.compiler.reset()


class TorchChannelsLast(Torch):
    """PyTorch, eager, with images and kernels of convolutions stored channels-last."""

    kinds = frozenset({"train", "train_block"})

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        if not isinstance(network, Cnn):
            raise Unsupported
        layout = torch.channels_last
        return TorchTrainer(network, data, batch_size, compiled=False, layout=layout)

    def block_trainer(self, block: Block, steps: int) -> BlockTrainer:
        if len(block.shape) != 3:
            raise Unsupported
        layout = torch.channels_last
        return torch_blocks.BlockTrainer(block, steps, compiled=False, layout=layout)


def _function(name: str) -> Callable[..., Any]:
    function = _FUNCTIONS.get(name) or getattr(torch, name, None) or getattr(functional, name, None)
    if function is None:
        raise Unsupported(f"PyTorch has no {name}")
    return function


def build(network: Mlp, *, logits: bool) -> torch.nn.Sequential:
    """Return the network, without its softmax where the loss takes logits."""
    modules: list[torch.nn.Module] = []
    layers = network.layers(network.weights())
    channels = 0  # of the images that the next layer sees; 0 for rows
    for i, (kernel, bias, activation) in enumerate(layers):
        if kernel.ndim == 4:
            channels = kernel.shape[-1]
            modules.append(
                _with(torch.nn.Conv2d(*kernel.shape[2:], 3), kernel.transpose(3, 2, 0, 1), bias)
            )
            modules += [_MODULES[activation](), torch.nn.MaxPool2d(2)]
            continue
        if channels:  # images are (channels, height, width) here
            modules.append(torch.nn.Flatten())
            side = math.isqrt(len(kernel) // channels)
            images = kernel.reshape(side, side, channels, -1)
            kernel, channels = images.transpose(2, 0, 1, 3).reshape(kernel.shape), 0
        modules.append(_with(torch.nn.Linear(*kernel.shape), kernel.T, bias))
        if activation != "linear" and not (activation == "softmax" and logits):
            modules.append(_MODULES[activation]())
        if network.dropout and i < len(layers) - 1:
            modules.append(torch.nn.Dropout(network.dropout))
    return torch.nn.Sequential(*modules)


def _with(module: Any, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> torch.nn.Module:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        module.bias.copy_(torch.from_numpy(bias))
    made: torch.nn.Module = module
    return made


def optimizer(network: Mlp, parameters: Any) -> torch.optim.Optimizer:
    """Return the network's optimizer in its fastest form."""
    rate, rho = network.learning_rate, network.RHO
    if network.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, fused=True)
    if network.optimizer == "nesterov":
        return torch.optim.SGD(parameters, rate, network.MOMENTUM, nesterov=True, fused=True)
    if network.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, rate, rho, network.EPSILON, foreach=True)
    if network.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, rate, rho, network.ADADELTA_EPSILON, foreach=True)
    betas = network.BETA_1, network.BETA_2
    return torch.optim.Adam(parameters, rate, betas, network.EPSILON, fused=True)


class TorchTrainer:
    """The usual loop over rows that are in memory as tensors."""

    def __init__(
        self,
        network: Mlp,
        data: Data,
        batch_size: int,
        *,
        compiled: bool,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> None:
        torch.set_grad_enabled(True)
        self.network, self.batch_size, self.layout = network, batch_size, layout
        self.x, self.y = self._placed(data.x), torch.from_numpy(data.y)
        self.model = build(network, logits=True).to(memory_format=layout)
        self.optimizer = optimizer(network, self.model.parameters())
        losses: dict[str, Any] = {
            "cross_entropy": functional.cross_entropy,
            "mse": functional.mse_loss,
        }
        measure, model = losses[network.loss], self.model

        def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return measure(model(x), y)

        def mixed(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return loss(x, y)

        written = loss if network.precision == "float32" else mixed
        self.loss: Callable[..., torch.Tensor] = torch.compile(written) if compiled else written

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        rows, size = len(self.x), self.batch_size
        self.model.train()
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
        """Return the outputs of the network, in float32."""
        self.model.eval()
        with torch.no_grad():
            y = self.model(self._placed(x))
            if self.network.last == "softmax":
                y = torch.softmax(y, -1)
        return y.numpy()  # type: ignore[no-any-return]

    def _placed(self, x: NDArray[np.float32]) -> torch.Tensor:
        """Return rows as the network wants them."""
        tensor = torch.from_numpy(x)
        if not isinstance(self.network, Cnn):
            return tensor
        images = tensor.reshape(-1, *self.network.image).permute(0, 3, 1, 2)
        return images.contiguous(memory_format=self.layout)

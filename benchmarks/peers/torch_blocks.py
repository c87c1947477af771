"""The blocks in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks.blocks import Block


class Residual(torch.nn.Module):  # type: ignore[misc]
    """Two convolutions with normalisation, around which the input is led."""

    def __init__(self, block: Block, weights: list[torch.Tensor]) -> None:
        super().__init__()
        n = block.shape[-1]
        self.first, self.second = (
            torch.nn.Conv2d(n, n, block.KERNEL, padding="same", bias=False) for _ in range(2)
        )
        self.norms = torch.nn.ModuleList(
            torch.nn.BatchNorm2d(n, block.EPSILON, momentum=0.01) for _ in range(2)
        )
        convolutions = (self.first, self.second)
        for i, (convolution, norm) in enumerate(zip(convolutions, self.norms, strict=True)):
            kernel, scale, offset = weights[3 * i : 3 * i + 3]
            convolution.weight.data.copy_(kernel.permute(3, 2, 0, 1))
            norm.weight.data.copy_(scale)
            norm.bias.data.copy_(offset)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs like x."""
        y = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(y)) + x)


class Depthwise(torch.nn.Module):  # type: ignore[misc]
    """Two depthwise convolutions."""

    def __init__(self, block: Block, weights: list[torch.Tensor]) -> None:
        super().__init__()
        n = block.shape[-1]
        self.parts = torch.nn.ModuleList(
            torch.nn.Conv2d(n, n, block.KERNEL, padding="same", groups=n, bias=False)
            for _ in weights
        )
        for part, kernel in zip(self.parts, weights, strict=True):
            part.weight.data.copy_(kernel.permute(2, 0, 1).unsqueeze(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs like x."""
        for part in self.parts:
            x = torch.relu(part(x))
        return x


class Lstm(torch.nn.Module):  # type: ignore[misc]
    """An LSTM that returns all its steps."""

    def __init__(self, block: Block, weights: list[torch.Tensor]) -> None:
        super().__init__()
        n = block.shape[-1]
        self.lstm = torch.nn.LSTM(n, n, bias=False, batch_first=True)
        self.lstm.weight_ih_l0.data.copy_(weights[0].T)
        self.lstm.weight_hh_l0.data.copy_(weights[1].T)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs like x."""
        y: torch.Tensor = self.lstm(x)[0]
        return y


class Attention(torch.nn.Module):  # type: ignore[misc]
    """Self-attention, with one product for the three projections."""

    def __init__(self, block: Block, weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.heads = block.size
        self.inner = torch.nn.Parameter(torch.cat(weights[:3], dim=1))
        self.outer = torch.nn.Parameter(weights[3].clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs like x."""
        batch, tokens, n = x.shape
        parts = (x @ self.inner).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(*parts.unbind(0))
        return y.transpose(1, 2).reshape(batch, tokens, n) @ self.outer


class Bag(torch.nn.Module):  # type: ignore[misc]
    """Means of embeddings."""

    def __init__(self, block: Block, weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.bag = torch.nn.EmbeddingBag(block.size, block.width, mode="mean")
        self.bag.weight.data.copy_(weights[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return one row a bag."""
        y: torch.Tensor = self.bag(x)
        return y


_MODULES: dict[str, Callable[[Block, list[torch.Tensor]], torch.nn.Module]] = {
    "residual": Residual,
    "depthwise": Depthwise,
    "lstm": Lstm,
    "attention": Attention,
    "bag": Bag,
}


class BlockTrainer:
    """The usual loop over batches that are in memory as tensors."""

    def __init__(
        self, block: Block, steps: int, *, compiled: bool, layout: torch.memory_format
    ) -> None:
        torch.set_grad_enabled(True)
        self.images = len(block.shape) == 3
        weights = [torch.from_numpy(w) for w in block.parameters()]
        module = _MODULES[block.kind](block, weights)
        self.module = module.to(memory_format=layout) if self.images else module
        batches = [torch.from_numpy(part).split(block.batch) for part in block.data(steps)]
        self.batches = [
            [self._placed(part, layout) for part in batch] for batch in zip(*batches, strict=True)
        ]
        self.optimizer = torch.optim.SGD(module.parameters(), block.LEARNING_RATE, fused=True)

        def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return functional.mse_loss(self.module(x), y)

        self.loss: Callable[..., torch.Tensor] = torch.compile(loss) if compiled else loss

    def _placed(self, part: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        return part.permute(0, 3, 1, 2).contiguous(memory_format=layout) if self.images else part

    def fit(self) -> None:
        """Go through the batches once."""
        for x, y in self.batches:
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(x, y).backward()
            self.optimizer.step()

    def predict(self) -> NDArray[Any]:
        """Return the outputs for the first batch, channels last, as training computes them."""
        with torch.no_grad():
            y = self.module(self.batches[0][0])
        return np.array(y.permute(0, 2, 3, 1) if self.images else y)

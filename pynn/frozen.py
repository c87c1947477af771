"""What a frozen network runs: a copy of it that nobody trains."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynn._native import Executable, Recorder
from pynn.layers.replay import visible

if TYPE_CHECKING:
    from typing import Self

    from pynn.network import Network


@dataclass(frozen=True)
class Snapshot:
    """A network as it was: records its forward pass for any number of rows."""

    network: Network
    dtype: str

    @classmethod
    def of(cls, network: Network) -> Self:
        alone = copy.copy(network)
        for name in ("loss", "optimizer", "metrics", "history"):
            vars(alone).pop(name, None)
        alone = copy.deepcopy(alone)
        return cls(alone, alone.input_dtype("float32"))

    def __call__(self, rows: int) -> Executable:
        with Recorder() as recorder:
            x = recorder.input((rows, *(self.network.input_shape or ())), self.dtype)
            return recorder.compile([visible(self.network.forward(x))], constant=True)

    def __str__(self) -> str:
        return str(self.network)

"""Neural networks whose every hot loop runs natively.

Write a network in Python as tensor expressions; it is recorded once and replayed by C++ kernels.

Examples
--------
>>> import pynn
>>> from pynn.layers import Dense
>>> pynn.seed(1)
>>> net = pynn.Network([Dense(8, activation="tanh", input_shape=(2,)), Dense(1)])
>>> net.use(loss="mse", optimizer="adam")
>>> x, y = pynn.datasets.xor()
>>> history = net.fit(x, y, epochs=2000, batch_size=4, verbose=0)
>>> history.history["loss"][-1] < 0.01
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynn import _lazy, _native

try:
    from pynn._native import (
        NonFiniteLossError,
        available_cpus,
        num_threads,
        set_num_threads,
    )
except ImportError as error:
    raise ImportError(
        f"{__path__[0]} has no native part: it is a source tree. Start Python in another folder "
        "to import the pynn that is installed, or build this one: pip install -e ."
    ) from error

if TYPE_CHECKING:
    from pynn import (
        activations,
        autodiff,
        callbacks,
        cuda,
        datasets,
        initializers,
        layers,
        losses,
        metrics,
        ops,
        optimizers,
        preprocessing,
        regularizers,
    )
    from pynn.autodiff import (
        custom_gradient,
        grad,
        hessian,
        jacobian,
        jvp,
        value_and_grad,
        vjp,
    )
    from pynn.control import cond, scan, while_loop
    from pynn.functions import function
    from pynn.layers.graph import Input
    from pynn.network import Network
    from pynn.ops import stop_gradient
    from pynn.random import seed
    from pynn.tape import GradientTape
    from pynn.tensor import Tensor, Variable

__version__: str = _native.version

# Names that are imported when they are first asked for, so that `import pynn` takes milliseconds.
_HOMES = {
    "GradientTape": "pynn.tape",
    "Input": "pynn.layers.graph",
    "Network": "pynn.network",
    "Tensor": "pynn.tensor",
    "Variable": "pynn.tensor",
    "cond": "pynn.control",
    "function": "pynn.functions",
    "scan": "pynn.control",
    "seed": "pynn.random",
    "stop_gradient": "pynn.ops",
    "while_loop": "pynn.control",
    **dict.fromkeys(
        ("custom_gradient", "grad", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"),
        "pynn.autodiff",
    ),
    **{
        name: f"pynn.{name}"
        for name in (
            "activations",
            "autodiff",
            "callbacks",
            "cuda",
            "datasets",
            "initializers",
            "layers",
            "losses",
            "metrics",
            "ops",
            "optimizers",
            "preprocessing",
            "regularizers",
        )
    },
}

__all__ = [
    "GradientTape",
    "Input",
    "Network",
    "NonFiniteLossError",
    "Tensor",
    "Variable",
    "__version__",
    "activations",
    "autodiff",
    "available_cpus",
    "callbacks",
    "cond",
    "cuda",
    "custom_gradient",
    "datasets",
    "function",
    "grad",
    "hessian",
    "initializers",
    "jacobian",
    "jvp",
    "layers",
    "losses",
    "metrics",
    "num_threads",
    "ops",
    "optimizers",
    "preprocessing",
    "regularizers",
    "scan",
    "seed",
    "set_num_threads",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "while_loop",
]


__getattr__ = _lazy.names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))

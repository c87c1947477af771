"""What several test files check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pynn._native import Executable, Recorder, Tensor

Array = npt.NDArray[Any]
Function = Callable[..., Tensor]


def record(function: Function, *arrays: Array) -> tuple[Executable, Executable]:
    """Compile ``function`` and its vector-Jacobian product, both of inputs like ``arrays``."""
    with Recorder() as recorder:
        inputs = [recorder.input(a.shape, a.dtype) for a in arrays]
        output = function(*inputs)
        forward = recorder.compile([output])
    with Recorder() as recorder:
        inputs = [recorder.input(a.shape, a.dtype) for a in arrays]
        output = function(*inputs)
        seed = recorder.input(output.shape, output.dtype)
        gradients = recorder.gradient(output, inputs, seed)
        missing = [i for i, g in enumerate(gradients) if g is None]
        assert not missing, f"no gradient for arguments {missing}"
        backward = recorder.compile([g for g in gradients if g is not None])
    return forward, backward


def check_gradient(
    function: Function, *arrays: Array, tolerance: float = 1e-6, step: float = 1e-5
) -> None:
    """Compare the gradients of a recorded function with central differences, in float64.

    ``function`` takes a tensor for each array and returns one tensor; its output is weighted by
    random numbers, so that the gradients of different elements cannot make up for each other.
    """
    points = [np.array(a, dtype=np.float64) for a in arrays]
    forward, backward = record(function, *points)
    (output,) = forward(*points)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, output.shape)
    gradients = backward(*points, weights)
    for i, (point, gradient) in enumerate(zip(points, gradients, strict=True)):
        assert gradient.shape == point.shape
        expected = np.empty_like(point)
        for at in np.ndindex(point.shape):
            sides = []
            for h in (step, -step):
                moved = [p.copy() for p in points]
                moved[i][at] += h
                sides.append(float((forward(*moved)[0] * weights).sum()))
            expected[at] = (sides[0] - sides[1]) / (2 * step)
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(
            gradient, expected, rtol=tolerance, atol=tolerance * scale, err_msg=f"argument {i}"
        )


def doubler(*shape: int, dtype: str = "float32") -> Executable:
    with Recorder() as recorder:
        return recorder.compile([recorder.input(shape, dtype) * 2])


class Unusual(Exception):
    pass

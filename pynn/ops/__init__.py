"""Operations on arrays and tensors: the kernels that networks are made of, and NumPy's functions.

NumPy arrays, nested lists and numbers give NumPy arrays; where an argument is a `Tensor`, and while
a program is being recorded, the result is a `Tensor`. Functions of kernels are native: nothing of
Python lies between the call and the kernel. The others are a few of those, written in Python; so
every function has a gradient and can be recorded.

Examples
--------
>>> import numpy as np
>>> from pynn import ops
>>> a, b = np.ones((2, 3), "float32"), np.ones((3, 2), "float32")
>>> c = np.empty((2, 2), "float32")
>>> ops.matmul(a, b, out=c) is c
True
>>> ops.relu(c - 4)
array([[0., 0.],
       [0., 0.]], dtype=float32)
"""

from pynn._native import ops as _ops
from pynn._native.ops import *  # noqa: F403
from pynn.ops import contraction, creation, mathematics, movement
from pynn.ops.contraction import *  # noqa: F403
from pynn.ops.creation import *  # noqa: F403
from pynn.ops.mathematics import *  # noqa: F403
from pynn.ops.movement import *  # type: ignore[no-redef]  # noqa: F403

_COMPOSED = (contraction, creation, mathematics, movement)
__all__ = sorted(
    {name for name in dir(_ops) if not name.startswith("_")}.union(*(m.__all__ for m in _COMPOSED))
)

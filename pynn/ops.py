"""Operations on arrays and tensors: the kernels that networks are made of, one function each.

NumPy arrays, nested lists and numbers give NumPy arrays; where an argument is a `Tensor`, and while
a program is being recorded, the result is a `Tensor`. Every function is native: nothing of Python
lies between the call and the kernel.

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

__all__ = [name for name in dir(_ops) if not name.startswith("_")]

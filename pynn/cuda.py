"""The CUDA devices of this machine.

``pip install . -C cmake.define.PYNN_CUDA=ON`` builds pynn with CUDA, where there is nvcc. Such a
build finds the devices, but does not compute on them yet: networks and `pynn.ops` run on the CPU in
every build.

Examples
--------
>>> import pynn
>>> pynn.cuda.is_available() == (pynn.cuda.device_count() > 0)
True
"""

from __future__ import annotations

from typing import NamedTuple

from pynn import _native

__all__ = ["Device", "device", "device_count", "device_name", "is_available", "is_built"]


class Device(NamedTuple):
    """What a CUDA device says of itself.

    Attributes
    ----------
    name : str
        For example ``"NVIDIA H100 80GB HBM3"``.
    memory : int
        Its memory in bytes.
    compute_capability : tuple of int
        (major, minor).
    """

    name: str
    memory: int
    compute_capability: tuple[int, int]


def is_built() -> bool:
    """Whether this build of pynn was made with CUDA."""
    return _native.cuda_built()


def device_count() -> int:
    """The number of CUDA devices: 0 in a build without CUDA, or where no driver works.

    In a build with CUDA the first call initialises its driver, which a process forked later cannot
    use.
    """
    return _native.cuda_device_count()


def is_available() -> bool:
    """Whether this build was made with CUDA and finds a device."""
    return device_count() > 0


def device(index: int = 0) -> Device:
    """What the device of that number says of itself.

    Parameters
    ----------
    index : int, default 0
        From 0 to ``device_count() - 1``.

    Raises
    ------
    RuntimeError
        If this build was made without CUDA.
    IndexError
        If there is no such device.
    """
    return Device(*_native.cuda_device(index))


def device_name(index: int = 0) -> str:
    """The name of a device; arguments and errors are those of `device`."""
    return device(index).name

"""The examples in the docstrings of every module run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pynn
from pynn import _native

MODULES = sorted(m.name for m in pkgutil.walk_packages(pynn.__path__, "pynn."))


@pytest.mark.parametrize("name", ["pynn", *MODULES])
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_every_parameter_of_an_op_is_described() -> None:
    missing = [name for name, f in vars(_native.ops).items() if ": undocumented" in str(f.__doc__)]
    assert "matmul" in vars(_native.ops) and not missing

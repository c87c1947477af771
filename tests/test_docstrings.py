"""The examples in the docstrings of every module run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pynn

MODULES = sorted(m.name for m in pkgutil.walk_packages(pynn.__path__, "pynn."))


@pytest.mark.parametrize("name", ["pynn", *MODULES])
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0

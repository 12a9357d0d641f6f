"""The module of faults, imported when tests run and forgotten after them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from nas_env.layers import LAYERS


@pytest.fixture(scope="module")
def faults() -> Iterator[ModuleType]:
    """Return the module, with its layer registered for the tests of one file."""
    yield importlib.import_module("faults")
    del sys.modules["faults"]
    del LAYERS._entries["fault"]
    LAYERS._modules.discard("faults")

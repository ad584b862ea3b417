"""Fixtures that many tests share: small ensembles, a small trained model, one thread."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

settings.register_profile("setclosure", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("setclosure")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Small tensors are slower on several threads, and sums keep one order."""
    torch.set_num_threads(1)

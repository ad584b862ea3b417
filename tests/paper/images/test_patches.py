from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import ConfigurationError
from setclosure.paper.images.patches import PatchTransformerConfig, joined, patches, transformer


@given(size=st.integers(1, 4), down=st.integers(1, 3), across=st.integers(1, 3))
def test_patches_are_squares_of_the_image_row_by_row(size, down, across):
    images = torch.arange(2.0 * down * across * size**2).reshape(2, down * size, across * size)
    sequence = patches(images, size)
    assert sequence.shape == (2, down * across, size**2)
    for n in range(down * across):
        r, c = divmod(n, across)
        square = images[1, r * size : (r + 1) * size, c * size : (c + 1) * size]
        assert torch.equal(sequence[1, n].reshape(size, size), square)
    assert torch.equal(joined(sequence, size, across * size), images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 30}, r"patch \(30\) must divide the pooled image of 100 rows and 500 columns"),
        ({"patch": 20, "pool": 2}, r"pooled image of 50 rows and 250 columns"),
        ({"heads": 5}, r"heads \(5\) must divide width \(64\)"),
    ],
)
def test_sizes_that_do_not_divide_are_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        PatchTransformerConfig.parse(options)


def test_training_and_evaluation_are_the_same_function():
    """PyTorch has a fast path without gradients; it must not be another network."""
    torch.manual_seed(0)
    config = PatchTransformerConfig(width=16, heads=2)
    blocks, x = transformer(config).double(), torch.randn(3, 10, 16, dtype=torch.float64)
    trained = blocks(x).detach()
    with torch.inference_mode():
        assert torch.allclose(blocks.eval()(x), trained, atol=1e-12)

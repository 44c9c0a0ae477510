import pytest

try:
    from flax import nnx
except ImportError:  # before 0.8.5
    from flax.experimental import nnx


@pytest.mark.ckptcompat(inputs=[(2, 3, 4), (2, 5, 4), (2, 5, 4)], routes=["state", "tree"])
def test_attention():
    return nnx.MultiHeadAttention(
        num_heads=2,
        in_features=4,
        qkv_features=4,
        dropout_rate=0.1,
        decode=False,
        rngs=nnx.Rngs(0),
    )

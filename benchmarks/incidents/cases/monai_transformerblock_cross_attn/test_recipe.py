import pytest
from monai.networks.blocks.transformerblock import TransformerBlock


@pytest.mark.ckptcompat(inputs=[(2, 5, 8)], routes=["state", "state_dict"])
def test_transformer_block():
    return TransformerBlock(8, 16, 2)

import pytest
from timm.models.vision_transformer import VisionTransformer


@pytest.mark.ckptcompat(inputs=[(1, 3, 16, 16)], routes=["state", "state_dict"])
def test_vit():
    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2}
    return VisionTransformer(num_classes=5, **sizes)

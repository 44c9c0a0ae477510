import pytest
from timm.models import swin_transformer


def filtered(model, saved):
    """As the library loads its own old checkpoints, since it has a filter for them."""
    filter_fn = getattr(swin_transformer, "checkpoint_filter_fn", lambda saved, _: saved)
    model.load_state_dict(filter_fn(saved, model))


@pytest.mark.ckptcompat(inputs=[(1, 3, 32, 32)], routes=["state", filtered])
def test_swin():
    sizes = {"img_size": 32, "patch_size": 4, "window_size": 4, "embed_dim": 8}
    return swin_transformer.SwinTransformer(depths=(2, 2), num_heads=(2, 2), num_classes=5, **sizes)

import pytest
from diffusers import AutoencoderKL


def autoencode(model, x):
    return model(x).sample


@pytest.mark.ckptcompat(inputs=[(1, 3, 8, 12)], call=autoencode, routes=["state", "pretrained"])
def test_autoencoder():
    blocks = {
        "down_block_types": ("DownEncoderBlock2D",),
        "up_block_types": ("UpDecoderBlock2D",),
    }
    sizes = {"block_out_channels": (8,), "norm_num_groups": 4, "latent_channels": 2}
    return AutoencoderKL(**blocks, **sizes)

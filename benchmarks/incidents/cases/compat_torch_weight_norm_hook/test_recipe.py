import pytest
from torch import nn


@pytest.mark.ckptcompat(inputs=[(2, 4)], routes=["state", "state_dict"])
def test_weight_norm():
    parametrizations = getattr(nn.utils, "parametrizations", nn.utils)
    return parametrizations.weight_norm(nn.Linear(4, 3))

import pytest
from transformers import BertConfig, BertModel


def tokens(rng):
    return [rng.integers(1, 11, size=(2, 4))]


def pretrained(model, saved):
    """The library's own loader."""
    return BertModel.from_pretrained(None, config=model.config, state_dict=saved)


@pytest.mark.ckptcompat(inputs=tokens, routes=["state", pretrained])
def test_bert():
    sizes = {"hidden_size": 8, "intermediate_size": 16, "max_position_embeddings": 12}
    config = BertConfig(vocab_size=11, num_hidden_layers=1, num_attention_heads=2, **sizes)
    return BertModel(config)

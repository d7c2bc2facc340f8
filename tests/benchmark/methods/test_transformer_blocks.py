"""The shared transformer, and attention within windows."""

from itertools import product

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark.blocks.transformer import EncoderBlock, VisionTransformer  # noqa: E402
from luxel.benchmark.blocks.window_attention import WindowAttention  # noqa: E402
from stand_ins.method_builds import images, numbers, spread  # noqa: E402


@pytest.mark.parametrize("scale", [None, 0.3])
def test_an_encoder_block_treats_all_tokens_alike(scale: float | None) -> None:
    block = spread(EncoderBlock(8, heads=2, hidden=12, layer_scale=scale))
    tokens, order = numbers(2, 7, 8), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(block(tokens[:, order]), block(tokens)[:, order])


def test_an_encoder_block_is_the_one_torch_has() -> None:
    block = spread(EncoderBlock(8, heads=2, hidden=12))
    other = nn.TransformerEncoderLayer(
        8, 2, 12, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True, dtype=torch.float64
    )
    names = "self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight self_attn.out_proj.bias"
    names += " linear1.weight linear1.bias linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight norm2.bias"
    norm, attention = block.attention
    ours = [attention.query_key_value, attention.project, block.feed[1], block.feed[3], norm, block.feed[0]]
    values = [value for layer in ours for value in (layer.weight, layer.bias)]
    other.load_state_dict(dict(zip(names.split(), values, strict=True)))
    tokens = numbers(2, 7, 8)
    torch.testing.assert_close(block(tokens), other(tokens))


def test_layer_scale_of_zero_leaves_the_tokens_alone() -> None:
    tokens = numbers(2, 5, 8)
    assert torch.equal(EncoderBlock(8, heads=2, hidden=12, layer_scale=0.0).double()(tokens), tokens)


def test_a_token_of_a_vision_transformer_stays_where_its_patch_is() -> None:
    torch.manual_seed(0)
    vit = VisionTransformer(channels=8, layers=0, heads=2)
    image = images(1, 224, 224)
    other = image.clone()
    other[..., 32:48, 16:32] = 0
    with torch.no_grad():
        (token, grid), (same, changed) = vit(image), vit(other)
    assert ((grid - changed).abs().amax((0, 1)) > 1e-5).nonzero().tolist() == [[2, 1]]
    assert torch.equal(token, same)


# Attention within windows


def masked_full_attention(layer: WindowAttention, x: Tensor) -> Tensor:
    """Every pixel against every other, pixel by pixel, with those outside its window masked."""
    b, c, h, w = x.shape
    window, heads = layer.window, layer.heads
    shifts = [layer.shift if side > window else 0 for side in (h, w)]
    pixels = list(product(range(h), range(w)))
    tokens = x.flatten(2).mT
    query, key, value = (
        part.reshape(b, h * w, heads, c // heads).transpose(1, 2) for part in layer.query_key_value(tokens).split(c, 2)
    )
    weights = query @ key.mT / (c // heads) ** 0.5
    for i, one in enumerate(pixels):
        for j, other in enumerate(pixels):
            together = all((p - s) // window == (q - s) // window for p, q, s in zip(one, other, shifts, strict=True))
            if together:
                down, across = (p - q + window - 1 for p, q in zip(one, other, strict=True))
                weights[:, :, i, j] += layer.bias[:, down * (2 * window - 1) + across]
            else:
                weights[:, :, i, j] = -torch.inf
    mixed = (weights.softmax(3) @ value).transpose(1, 2).flatten(2)
    return layer.project(mixed).mT.unflatten(2, (h, w))


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("size", [(6, 6), (6, 3), (7, 8), (2, 5)])
def test_window_attention_is_full_attention_with_a_mask(shift: int, size: tuple[int, int]) -> None:
    layer = spread(WindowAttention(4, heads=2, window=3, shift=shift))
    x = numbers(2, 4, *size)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), masked_full_attention(layer, x))


def test_attention_within_windows_moves_with_whole_windows() -> None:
    layer = spread(WindowAttention(4, heads=2, window=4))
    x = numbers(1, 4, 12, 16)
    torch.testing.assert_close(layer(x.roll((4, -8), (2, 3))), layer(x).roll((4, -8), (2, 3)))

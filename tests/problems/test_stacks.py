"""Networks in the field's short notation: what a notation means, and that folding changes nothing but rounding."""

import pytest
import torch
from torch import nn

from amb_problems.targets.spiking.exact import fold_mean, make_exact
from amb_problems.targets.spiking.exact_network import build_network, describe
from amb_problems.targets.spiking.lif import LIF, LIFNeuron
from amb_problems.targets.spiking.stack import Layer, SpikingStack, parse_layers


def test_a_notation_is_read_as_the_field_writes_it() -> None:
    assert parse_layers("16C5-MP2-24C3-AP2-32C3S2-8R3S2-64") == (
        Layer("convolution", 16, 5, pooling="max"),
        Layer("convolution", 24, 3, pooling="mean"),
        Layer("convolution", 32, 3, 2),
        Layer("block", 8, 3, 2),
        Layer("linear", 64),
    )


@pytest.mark.parametrize(
    ("notation", "reason"),
    [
        ("16X5", "expected parts such as 16C5"),
        ("MP2-16C3", "must follow a convolution"),
        ("64-MP2", "must follow a convolution"),
        ("16C3-MP2-MP2", "must follow a convolution"),
        ("16C3S2-AP2", "stride 1"),
        ("16R3", "not the first layer"),
        ("16C3-16R5", "3x3"),
        ("64-16C3", "fully connected"),
        ("", "expected parts"),
    ],
)
def test_a_wrong_notation_says_what_was_expected(notation: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_layers(notation)


def test_maps_have_the_sizes_that_the_notation_gives() -> None:
    """Convolutions keep the size, pooling and strides halve it, patches tile the image, a block has two layers."""
    shapes = describe(SpikingStack(lambda: LIFNeuron(LIF()), layers="8C5-MP2-8C3-AP2-12R3S2-20", folded=True))
    assert shapes == {
        "sn1": (8, 16, 16),
        "sn2": (8, 8, 8),
        "block3.sn1": (12, 4, 4),
        "block3.sn2": (12, 4, 4),
        "sn4": (20, 1, 1),
        "out": (10, 1, 1),
    }
    assert describe(SpikingStack(nn.ReLU, layers="6C8S8-5", folded=True))["sn1"] == (6, 4, 4)
    assert describe(SpikingStack(nn.ReLU, layers="6-5", channels=1, side=28, folded=True))["sn1"] == (6, 1, 1)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_mean_pooling_folds_into_a_convolution_of_stride_2(kernel: int) -> None:
    generator = torch.Generator().manual_seed(kernel)
    weight = torch.randn(4, 3, kernel, kernel, generator=generator, dtype=torch.float64)
    x = torch.randn(2, 3, 12, 12, generator=generator, dtype=torch.float64)
    padding = (kernel - 1) // 2
    pooled = nn.functional.avg_pool2d(nn.functional.conv2d(x, weight, padding=padding), 2)
    torch.testing.assert_close(nn.functional.conv2d(x, fold_mean(weight), stride=2, padding=padding), pooled)


@pytest.mark.parametrize("layers", ["8C3-AP2-8C5-AP2-20", "8C3-MP2-8R3-12R3S2", "8C4S4-8C1-MP2-20-12"])
def test_exact_weights_stand_for_the_trained_network(layers: str) -> None:
    """Batch norms and mean pooling folded, weights rounded: the first layer's currents differ by the rounding only."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained = SpikingStack(nn.ReLU, layers=layers)
        for module in trained.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        x = torch.randn(4, 3, 32, 32)
    folded = build_network("SpikingStack", {"layers": layers}, nn.ReLU)
    exact = make_exact(trained.eval())
    for name, layer in exact.items():
        module = folded.get_submodule(name)
        assert isinstance(module, nn.Conv2d | nn.Linear)
        assert module.weight.shape == layer.weight.shape, name
        module.weight.data.copy_(layer.float_weight())
        assert module.bias is not None
        module.bias.data.copy_(layer.float_bias())
    with torch.no_grad():
        for ours, theirs in zip(folded.eval().walk(x), trained.walk(x), strict=True):
            scale = float(theirs.currents.abs().max())
            assert float((ours.currents - theirs.currents).abs().max()) < 0.03 * scale, ours.layer

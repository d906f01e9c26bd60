"""The classes of target networks, by the names that model cards give them."""

from collections.abc import Mapping
from types import MappingProxyType

from amb_problems.targets.spiking.architectures import SpikingCNN, SpikingResNet18, TargetNetwork
from amb_problems.targets.spiking.stack import SpikingStack

NETWORKS: Mapping[str, type[TargetNetwork]] = MappingProxyType(
    {"SpikingCNN": SpikingCNN, "SpikingResNet18": SpikingResNet18, "SpikingStack": SpikingStack}
)

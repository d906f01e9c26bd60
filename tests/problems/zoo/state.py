"""Everything of a network that its user could look at, to compare before and after."""

import torch
from torch import Tensor, nn


def state(network: nn.Module) -> dict[str, object]:
    """All that a user could look at: weights and gradients bit by bit, memories, modes, hooks, devices, identities."""
    seen: dict[str, object] = {}
    for name, part in network.named_modules():
        attributes = {} if isinstance(part, torch.jit.ScriptModule) else dict(vars(part))
        seen[f"{name} is"] = id(part)
        seen[f"{name} training"] = part.training
        for key, value in attributes.items():
            if key not in ("training", "_modules", "_parameters", "_buffers"):
                seen[f"{name}.{key}"] = seen_of(value)
    for kind, tensors in (("parameter", network.named_parameters()), ("buffer", network.named_buffers())):
        for name, tensor in tensors:
            seen[f"{kind} {name}"] = (id(tensor), tensor.requires_grad, tensor.device, tensor._version, seen_of(tensor))
            seen[f"{kind} {name} gradient"] = seen_of(tensor.grad)
    return seen


def seen_of(value: object) -> object:
    if isinstance(value, nn.parameter.UninitializedTensorMixin):
        return "lazy"
    if isinstance(value, Tensor):
        return (value.dtype, tuple(value.shape), value.detach().cpu().numpy().tobytes())
    if isinstance(value, dict):
        return {str(key): seen_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [seen_of(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else id(value)


def with_gradients(network: nn.Module) -> nn.Module:
    """As after a step of training: some parameters frozen, the others with a gradient; a part in evaluation mode."""
    for index, parameter in enumerate(network.parameters()):
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            continue
        if index % 3 == 2:
            parameter.requires_grad_(False)
        else:
            parameter.grad = torch.ones_like(parameter)
    list(network.modules())[-1].eval()
    return network

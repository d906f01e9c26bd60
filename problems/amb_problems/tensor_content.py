"""What tensors hold, of whatever layout and kind of number: torch compares and searches dense real ones only."""

import torch
from torch import Tensor, nn

_COMPRESSED = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
_COMPUTED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def content(tensor: Tensor) -> tuple[Tensor, ...]:
    """All that a tensor holds, as dense tensors of real numbers; nothing of one without values (device `meta`).

    Of a sparse one its indices and its values: its dense form may be larger than the memory.
    """
    tensor = tensor.detach()
    if tensor.is_meta:
        return ()
    if tensor.layout == torch.sparse_coo:
        tensor = tensor.coalesce()
        return tensor.indices(), *content(tensor.values())
    if tensor.layout in _COMPRESSED:
        by_row = tensor.layout in (torch.sparse_csr, torch.sparse_bsr)
        ends, inner = (
            (tensor.crow_indices(), tensor.col_indices()) if by_row else (tensor.ccol_indices(), tensor.row_indices())
        )
        return ends, inner, *content(tensor.values())
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.is_floating_point() and tensor.dtype not in _COMPUTED:
        tensor = tensor.float()
    return (tensor,)


def computes_in(module: nn.Module) -> torch.dtype:
    """The floating-point type of a module's input: that of its first weights of a type that torch computes in."""
    tensors = [*module.parameters(), *module.buffers()]
    return next((tensor.dtype for tensor in tensors if tensor.dtype in _COMPUTED), torch.float32)


def has_nan(tensor: Tensor) -> bool:
    """Whether one of its numbers is NaN."""
    return any(bool(torch.isnan(part).any()) for part in content(tensor))


def is_finite(tensor: Tensor) -> bool:
    """Whether it holds neither NaN nor infinity."""
    return all(bool(torch.isfinite(part).all()) for part in content(tensor))


def same_values(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same, NaN included, in the same shape and type."""
    if one.shape != other.shape or one.dtype != other.dtype or one.layout != other.layout:
        return False
    pairs = zip(content(one), content(other), strict=True)
    return all(a.shape == b.shape and (torch.equal(a, b) or _equal_with_nan(a, b)) for a, b in pairs)


def _equal_with_nan(one: Tensor, other: Tensor) -> bool:
    return one.is_floating_point() and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)

"""Messages between a run and its solver's process: a JSON object and raw bytes, never a pickle.

A message is ``<4 bytes: length of the JSON><8 bytes: length of the bytes><JSON><bytes>``, big-endian. Whatever reads
from an untrusted process limits both lengths before it reads further.
"""

import json
import struct
from collections.abc import Callable, Mapping
from numbers import Integral, Real

HEAD = struct.Struct(">IQ")
LONGEST_JSON = 1 << 20


class BadMessage(Exception):
    """Bytes that are not a message, or a message that is too long."""


def pack(content: Mapping[str, object], body: bytes = b"") -> bytes:
    """A message as bytes; numbers of numpy's become plain ones."""
    text = json.dumps(content, default=_plain).encode()
    return HEAD.pack(len(text), len(body)) + text + body


def _plain(value: object) -> int | float:
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    raise TypeError(f"a message cannot hold {value!r:.80}")


def unpack(read: Callable[[int], bytes], longest: int) -> tuple[dict[str, object], bytes]:
    """The next message.

    Args:
        read: returns exactly the number of bytes it is given, or raises.
        longest: the most bytes that may follow the JSON.

    Raises:
        BadMessage: it is too long, or not a JSON object.
    """
    length, size = HEAD.unpack(read(HEAD.size))
    if length > LONGEST_JSON or size > longest:
        raise BadMessage(f"a message of {length} + {size} bytes; at most {LONGEST_JSON} + {longest} are allowed")
    try:
        content = json.loads(read(length))
    except (ValueError, RecursionError) as cause:
        raise BadMessage(f"a message that is not JSON: {cause}") from cause
    if not isinstance(content, dict):
        raise BadMessage("a message that is not a JSON object")
    return content, read(size)

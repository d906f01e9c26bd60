"""An experiment over HTTP, for rigs that do not share a disk with it.

Beyond the loopback interface, every request needs the token. On the loopback interface without a token, requests that a
web page could make through a browser of this computer are refused: those for another host name, and those that browsers
mark as coming from another site.
"""

import errno
import ipaddress
import secrets
import socket
from asyncio import CancelledError
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from amb.errors import AmbError, BusyError, LabError
from amb.foreign import working_alone
from amb.lab.blocks import read_picture
from amb.lab.laboratory import Laboratory
from amb.lab.messages import CloseMessage, ErrorMessage, block_message, receipt_message, status_message
from amb.lab.openapi import document
from amb.lab.response_files import rows_of
from amb.study.untrusted import decode_json, parse_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LARGEST = 64 << 20
"""Bytes that a request may have."""

MOST_VALUES = 8_000_000
"""Values that a request may have: each of two bytes or more takes some 64 in memory while the request is read."""

ROWS = 100_000
"""Rows of responses that a request may have: far more than a block has trials."""

PATIENCE = 20
"""Seconds that a request waits for another process that works on the experiment; rigs wait longer for an answer."""

GRACE = 5
"""Seconds that requests keep the server once it is to stop; then they are answered that it stops."""

_STOPS = "the server stops; send the request again once it runs, whether it was recorded or not"

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

FORM = "application/x-www-form-urlencoded"

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]
Receive = Callable[[], Awaitable[Scope]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def application(folder: Path, token: str | None) -> App:
    """The server of an experiment, as an ASGI application.

    Args:
        folder: the experiment.
        token: what every request must present; None: only the loopback interface is answered.

    Raises:
        LabError: the folder holds no experiment.
    """
    return _application(_Rig(folder, token), token)


def _application(rig: "_Rig", token: str | None) -> App:
    from starlette.applications import Starlette
    from starlette.routing import Route

    routes = [
        Route("/status", rig.status, methods=["GET"]),
        Route("/next", rig.next_block, methods=["GET", "POST"]),
        Route("/blocks/{block}/{file}", rig.picture, methods=["GET"]),
        Route("/responses", rig.tell, methods=["POST"]),
        Route("/openapi.json", rig.openapi, methods=["GET"]),
    ]
    handlers: Any = {AmbError: _refused, 404: _no_such_path, 405: _no_such_path}
    return guarded(Starlette(routes=routes, exception_handlers=handlers), token)


def guarded(app: App, token: str | None) -> App:
    """Answer only those requests that may be made; see the module."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        refusal = _refusal(scope, token)
        if refusal is None and scope["type"] == "http":
            await app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        body = msgspec.json.encode(ErrorMessage(refusal or "not HTTP"))
        headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return guard


def _refusal(scope: Scope, token: str | None) -> str | None:
    """Why a request is not answered; None if it is."""
    headers = {name.lower(): value for name, value in scope.get("headers", ())}
    if token is not None:
        given = headers.get(b"authorization", b"")
        if secrets.compare_digest(given, b"Bearer " + token.encode()):
            return None
        return "this server needs its token: send the header Authorization: Bearer TOKEN"
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return "without a token, only requests of this computer are answered; start amb lab serve with --token"
    name = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]")
    if not (name == "localhost" or is_loopback(name)):
        return f"without a token, the address must be localhost, not {name[:80]}"
    if b"origin" in headers or headers.get(b"sec-fetch-site", b"none") != b"none":
        return "without a token, web pages are not answered"
    return None


def is_loopback(address: str) -> bool:
    """Whether a numeric address is of the loopback interface."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; port 0 takes a free one.

    Raises:
        LabError: the name is unknown, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        server = socket.socket(family, kind, protocol)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        server.listen()
    except (OSError, UnicodeError) as cause:  # a name that no host can have
        why = getattr(cause, "strerror", None) or "it is no host name"
        raise LabError(
            f"cannot listen at {host[:80]!r}, port {port}: {why}; choose others with --host and --port"
        ) from cause
    return server


def serve(folder: Path, server: socket.socket, token: str | None) -> None:
    """Answer requests until interrupted; what is being planned or recorded then is finished.

    Raises:
        LabError: the socket is not of the loopback interface and there is no token, or uvicorn is not installed.
    """
    if token is None and not is_loopback(server.getsockname()[0]):
        raise LabError("beyond the loopback interface, a token is needed")
    require()
    import uvicorn

    rig = _Rig(folder, token)
    # A proxy's headers could claim that a request comes from this computer.
    config = uvicorn.Config(
        _application(rig, token),
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
    )
    try:
        uvicorn.Server(config).run(sockets=[server])
    finally:
        rig.stop()


def require() -> None:
    """Refuse to go on without the packages of the extra `lab`.

    Raises:
        LabError: one is missing.
    """
    for package in ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise LabError(f"amb lab serve needs {package}: pip install 'amb[lab]'")


class _Rig:
    """Endpoints. An experiment has one rig, so that they act on it one at a time.

    What takes time runs in threads: a large request keeps the server from no other one.
    """

    def __init__(self, folder: Path, token: str | None) -> None:
        self._lab = Laboratory(folder, patience=PATIENCE)
        self._lock = Lock()
        self._stops = False
        self._token = token

    def stop(self) -> None:
        """Wait for what is being planned or recorded, and begin nothing more."""
        self._stops = True
        with self._lock:
            pass

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock, working_alone():
            if self._stops:
                raise BusyError(_STOPS)
            yield

    async def openapi(self, request: "Request") -> "Response":
        return _json(document(token=self._token is not None))

    async def status(self, request: "Request") -> "Response":
        def read() -> object:
            with self._alone():
                self._lab.refresh()
                self._lab.settle()  # a rig need not keep what is recorded
                return status_message(self._lab)

        return await _threaded(read)

    async def next_block(self, request: "Request") -> "Response":
        body = await _body(request) if request.method == "POST" else None

        def plan() -> object:
            close = None if body is None else _decoded(body.json or b"{}", CloseMessage).close
            with self._alone():
                return block_message(self._lab.next_block(close=close), self._lab.history)

        return await _threaded(plan)

    async def tell(self, request: "Request") -> "Response":
        body = await _body(request)
        source = f"request of {request.client.host}" if request.client else "request"

        def record() -> object:
            columns = _decoded(body.json, dict[str, Any])
            if any(isinstance(column, list) and len(column) > ROWS for column in columns.values()):
                raise LabError(f"the request has more than {ROWS} rows; send the responses in parts")
            rows = rows_of(columns, self._lab.experiment, "the request")
            with self._alone():
                return receipt_message(self._lab.tell(rows, source=source))

        return await _threaded(record)

    async def picture(self, request: "Request") -> "Response":
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import Response

        block, name = request.path_params["block"], request.path_params["file"]
        number = int(block) if block.isascii() and block.isdigit() and len(block) < 10 else None
        folder = None if number is None else self._lab.block_folder(number)
        try:
            content = None if folder is None else await run_in_threadpool(read_picture, folder, name)
        except LabError as error:
            return _json(ErrorMessage(str(error)), status=500)
        if content is None:
            return _json(ErrorMessage(f"block {block[:20]} has no picture {name[:80]!r}"), status=404)
        if request.query_params.get("base64"):  # for clients that read text only, as GNU Octave does
            return Response(b64encode(content), media_type="text/plain")
        return Response(content, media_type="image/png")


async def _threaded(work: Callable[[], object]) -> "Response":
    from starlette.concurrency import run_in_threadpool

    try:
        return await run_in_threadpool(lambda: _json(work()))
    except CancelledError:  # of a request that takes longer than GRACE once the server is to stop
        return _json(ErrorMessage(_STOPS), status=503)


@dataclass(frozen=True)
class _Body:
    """The body of a request, which may be a form."""

    content: bytes
    kind: str

    @property
    def json(self) -> bytes:
        """The JSON in it: all of it, or the field `json` of a form.

        Octave's `webwrite` sends forms only, and MATLAB's sends them too.

        Raises:
            LabError: it is of another type.
        """
        if self.kind == FORM:
            try:
                text = self.content.decode("utf-8", "replace")
                fields = parse_qs(text, keep_blank_values=True, max_num_fields=100)
            except ValueError as cause:
                raise LabError(f"the form is not as documented: {cause}; expected one field, json") from cause
            if len(fields.get("json", ())) > 1:
                raise LabError("the form has the field json more than once; expected one")
            return fields.get("json", ["{}"])[0].encode()
        if self.content and self.kind != "application/json":
            raise LabError(f"the request has content type {self.kind!r}; expected application/json")
        return self.content


async def _body(request: "Request") -> _Body:
    """The body of a request.

    Raises:
        LabError: it is too large, or the client left before its request was complete.
    """
    from starlette.requests import ClientDisconnect

    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                raise LabError(f"the request is larger than {LARGEST >> 20} MiB; send the responses in parts")
    except (ClientDisconnect, CancelledError) as cause:  # cancelled: the server stops, and the rest has not come
        raise LabError("the request is incomplete; send it again") from cause
    return _Body(bytes(body), kind)


def _decoded(body: bytes, kind: Any) -> Any:
    values = sum(body.count(mark) for mark in (b",", b"[", b"{"))
    if values > MOST_VALUES:
        raise LabError(f"the request has more than {MOST_VALUES:,} values; send the responses in parts")
    try:
        decoded = decode_json(body, kind)
        parse_json(body)
    except ValueError as cause:
        raise LabError(f"the request is not as documented: {cause}; NaN is written null in JSON") from cause
    return decoded


def _json(content: object, *, status: int = 200) -> "Response":
    from starlette.responses import Response

    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


async def _refused(request: "Request", error: Exception) -> "Response":
    return _json(ErrorMessage(str(error)), status=_status(error))


def _status(error: Exception) -> int:
    """The HTTP status of a refusal: a request that is wrong (400) is refused whenever it is sent."""
    if isinstance(error, BusyError):
        return 503
    if isinstance(cause := error.__cause__, OSError):
        return 507 if cause.errno in _NO_ROOM else 500
    return 400


async def _no_such_path(request: "Request", error: Exception) -> "Response":
    status = getattr(error, "status_code", 404)
    known = "/status, /next, /responses, /blocks/NUMBER/FILE; /openapi.json describes them"
    return _json(ErrorMessage(f"no {request.method} {request.url.path[:80]}; there are {known}"), status=status)

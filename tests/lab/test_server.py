"""The server as a rig meets it: a whole experiment over HTTP, and no answer for those who may not ask."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import msgspec
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="needs the extra lab")
pytest.importorskip("uvicorn", reason="needs the extra lab")

from amb.lab import server
from amb.lab.experiment import template
from amb.lab.journal import FILE as JOURNAL
from amb.lab.laboratory import LOCK, Laboratory, create
from amb.lab.messages import BlockMessage, ErrorMessage, ReceiptMessage, StatusMessage
from amb.lab.server import App, Scope, application
from amb.study.lock import hold

from .conftest import new_experiment, response

TOKEN = "a-token-for-tests"
PATHS = ["/status", "/next", "/responses", "/openapi.json", "/blocks/1/blank.png", "/", "/nothing", "/../status"]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[str, str]]:
    """The server's address and what it printed first."""
    with started(folder, *options) as (_, address, printed):
        yield address, printed


@contextmanager
def started(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The server's process, its address and what it printed first; its stderr goes to the file `stderr` next to it."""
    command = [sys.executable, "-m", "amb", "lab", "serve", str(folder), "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if name != "AMB_LAB_TOKEN"}
    with folder.with_name("stderr").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    try:
        assert process.stdout is not None
        printed = ""
        while (found := re.search(r" at http://(\S+?);", printed)) is None:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        yield process, found[1], printed
    finally:
        process.kill()
        process.wait()


def ask(
    url: str, data: object = None, *, token: str | None = None, method: str | None = None, headers: dict | None = None
) -> tuple[int, bytes]:
    body = None if data is None else data if isinstance(data, bytes) else json.dumps(data).encode()
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))
    if body is not None and not request.has_header("Content-type"):
        request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def own_address() -> str | None:
    """An address of this computer that is not of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if address.startswith("127.") else address


def test_an_experiment_over_http(folder: Path) -> None:
    """Blocks, pictures, responses in parts, rejections, and the end; every answer is of the documented type."""
    new_experiment(folder, neurons=("a", "b"), trials=110, changes={"repeats = 2": "repeats = 1"})
    with serving(folder) as (address, _):
        url = f"http://{address}"
        done = 0
        while True:
            block = msgspec.json.decode(ask(url + "/next")[1], type=BlockMessage)
            if block.finished:
                break
            assert msgspec.json.decode(ask(url + "/next")[1], type=BlockMessage) == block
            pictures = {}
            for trial in block.trials:
                status, content = ask(url + trial.url)
                assert (status, content[:4]) == (200, b"\x89PNG")
                pictures[trial.trial] = folder.parent / "seen.png"
                pictures[trial.trial].write_bytes(content)
                value = [response(trial.trial, neuron, pictures[trial.trial]) for neuron in ("a", "b")]
                part = {"trial": trial.trial, "response": [None, None] if trial.trial % 9 == 0 else value}
                status, content = ask(url + "/responses", part)
                assert status == 200, content
                receipt = msgspec.json.decode(content, type=ReceiptMessage)
                assert receipt.new == 2
            assert receipt.complete
            done += len(block.trials)
        state = msgspec.json.decode(ask(url + "/status")[1], type=StatusMessage)
        assert (state.trials, state.missing, state.neurons) == (done, [], ["a", "b"])
        assert all(search.best is not None for search in state.searches)
    lab = Laboratory(folder)
    assert lab.history.value(9, "a") is None
    assert lab.history.recorded(9, "a")


def test_wrong_requests_are_explained_and_change_nothing(folder: Path) -> None:
    new_experiment(folder)
    with serving(folder) as (address, _):
        url = f"http://{address}"
        ask(url + "/next")
        journal = (folder / JOURNAL).read_bytes()
        for path, body, message in [
            ("/responses", {"trial": [1, 2], "response": [1.0]}, "column response has 1 rows, but trial has 2"),
            ("/responses", {"trial": 1, "respones": 1.0}, "one of response, spikes and time"),
            ("/responses", {"trial": 99, "response": 1.0}, "there is no trial 99"),
            ("/responses", b'{"trial": 1, "response": NaN}', "NaN is written null"),
            ("/responses", [1], "not as documented"),
            ("/next", {"close": 9}, "there is no block 9"),
            ("/next", {"clos": 1}, "not as documented"),
        ]:
            status, content = ask(url + path, body)
            assert status == 400
            assert message in msgspec.json.decode(content, type=ErrorMessage).error
        assert ask(url + "/responses", method="GET")[0] == 405
        assert ask(url + "/blocks/1/..%2Fpresentations.csv")[0] == 404
        assert ask(url + "/blocks/1/nothing.png")[0] == 404
        assert (folder / JOURNAL).read_bytes() == journal
        status, content = ask(url + "/next", {"close": 1})
        assert (status, msgspec.json.decode(content, type=BlockMessage).block) == (200, 2)


def test_the_document_describes_every_path(folder: Path) -> None:
    new_experiment(folder)
    with serving(folder) as (address, _):
        document = json.loads(ask(f"http://{address}/openapi.json")[1])
        assert document["openapi"].startswith("3.1")
        assert set(document["paths"]) == {"/status", "/next", "/blocks/{block}/{file}", "/responses", "/openapi.json"}
        for path, operations in document["paths"].items():
            for method in operations:
                concrete = path.format(block=1, file="blank.png")
                status, _ = ask(f"http://{address}{concrete}", {} if method == "post" else None, method=method.upper())
                assert status in (200, 400), (method, path)
        references = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
        assert references <= set(document["components"]["schemas"])


def test_no_request_without_its_token_is_answered_beyond_the_loopback_interface(folder: Path) -> None:
    new_experiment(folder)
    with serving(folder, "--host", "0.0.0.0") as (address, printed):
        token = re.search(r"^Token: (\S+)$", printed, re.MULTILINE)
        assert token is not None, "no token was made up"
        assert len(token[1]) >= 32
        port = address.rsplit(":", 1)[1]
        hosts = ["127.0.0.1", *filter(None, [own_address()])]
        for host in hosts:
            for path in PATHS:
                for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"):
                    for wrong in (None, "", token[1][:-1], token[1] + "x", token[1].swapcase()):
                        url = f"http://{host}:{port}{path}?token={token[1]}"
                        status, content = ask(url, token=wrong, method=method, headers={"X-Forwarded-For": "127.0.0.1"})
                        assert status == 401, (host, path, method, wrong)
                        assert b"trial" not in content
            assert not (folder / JOURNAL).exists()
            assert ask(f"http://{host}:{port}/status", token=token[1])[0] == 200
        for host in hosts:
            assert ask(f"http://{host}:{port}/next", token=token[1])[0] == 200


def test_a_server_at_an_address_of_the_network_answers_nobody_without_its_token(folder: Path) -> None:
    """It listens at the very address by which other computers reach this one."""
    own = own_address()
    if own is None:
        pytest.skip("this computer has no address but the loopback interface's")
    new_experiment(folder)
    with serving(folder, "--host", own) as (address, printed):
        token = re.search(r"^Token: (\S+)$", printed, re.MULTILINE)
        assert token is not None, "no token was made up"
        assert address.startswith(own)
        for path in PATHS:
            for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"):
                for wrong in (None, "", token[1][1:]):
                    status, content = ask(f"http://{address}{path}", token=wrong, method=method)
                    assert status == 401, (path, method, wrong)
                    assert b"trial" not in content
        assert not (folder / JOURNAL).exists()
        assert ask(f"http://{address}/next", token=token[1])[0] == 200


def test_a_given_token_is_needed_on_the_loopback_interface_too(folder: Path) -> None:
    new_experiment(folder)
    with serving(folder, "--token", TOKEN) as (address, printed):
        assert TOKEN not in printed
        assert ask(f"http://{address}/next")[0] == 401
        assert ask(f"http://{address}/next", token=TOKEN)[0] == 200


def test_web_pages_cannot_use_the_server_through_a_browser(folder: Path) -> None:
    """Another host name that resolves to this computer, and requests that a browser marks as a page's."""
    new_experiment(folder)
    with serving(folder) as (address, _):
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Host": f"evil.example:{address.rsplit(':', 1)[1]}"}):  # fmt: skip
            assert ask(f"http://{address}/next", headers=headers)[0] == 401
        assert not (folder / JOURNAL).exists()
        assert ask(f"http://localhost:{address.rsplit(':', 1)[1]}/next")[0] == 200


def test_a_server_beyond_the_loopback_interface_does_not_start_without_a_token(folder: Path) -> None:
    from amb.errors import LabError
    from amb.lab.server import listen, serve

    new_experiment(folder)
    with listen("0.0.0.0", 0) as server, pytest.raises(LabError, match="a token is needed"):
        serve(folder, server, None)
    with listen("127.0.0.1", 0) as taken, pytest.raises(LabError, match=r"cannot listen at '127\.0\.0\.1"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_hostile_and_unclear_requests_are_refused_in_json(folder: Path) -> None:
    new_experiment(folder)
    with serving(folder) as (address, _):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        fields = "&".join(f"f{number}=1" for number in range(200)).encode()
        many = {"trial": [1] * 100_001, "response": [1] * 100_001}
        answers = {
            "digits": (404, ask(f"http://{address}/blocks/{'9' * 5000}/x.png")),
            "file name": (404, ask(f"http://{address}/blocks/{'9' * 300}/x.png")),
            "twice": (400, ask(f"http://{address}/responses", b'{"trial":1,"trial":2,"response":[1,2]}')),
            "rows": (400, ask(f"http://{address}/responses", many)),
            "values": (
                400,
                ask(f"http://{address}/responses", b'{"trial":[1],"spikes":[[' + b"[]," * 4_000_001 + b"[]]]}"),
            ),
        }
        request = urllib.request.Request(f"http://{address}/responses", data=fields, headers=form)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        answers["fields"] = (400, (refused.value.code, refused.value.read()))
        for name, (expected, (status, body)) in answers.items():
            assert status == expected, name
            assert msgspec.json.decode(body, type=ErrorMessage).error, name
        assert b"more than once" in answers["twice"][1][1]
        assert b"8,000,000 values" in answers["values"][1][1]


def incomplete(address: str) -> socket.socket:
    """A request whose client has sent a part of its body, and nothing since."""
    host, port = address.rsplit(":", 1)
    client = socket.create_connection((host, int(port)))
    client.sendall(
        f"POST /responses HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        'Content-Length: 1000\r\n\r\n{"trial"'.encode()
    )
    return client


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143)])
def test_the_server_stops_while_a_request_is_incomplete(folder: Path, number: int, code: int) -> None:
    """A rig that died in the middle of a request, its connection open for hours, does not keep the server."""
    new_experiment(folder)
    with started(folder) as (process, address, _), incomplete(address):
        assert ask(f"http://{address}/status")[0] == 200  # the server has read what came before
        process.send_signal(number)
        process.wait(timeout=120)
        assert process.returncode == code
    assert "Traceback" not in folder.with_name("stderr").read_text()


def test_a_request_that_outlasts_the_server_is_told_so(folder: Path) -> None:
    """Another process works on the experiment: the rig got a page of text, and the terminal tracebacks."""
    new_experiment(folder)
    Laboratory(folder).next_block()
    answers: list[tuple[int, bytes]] = []
    with started(folder) as (process, address, _):
        with hold(folder / LOCK):
            data = {"trial": [1], "response": [1.0]}
            rig = threading.Thread(target=lambda: answers.append(ask(f"http://{address}/responses", data)))
            rig.start()
            while "waiting for another process" not in folder.with_name("stderr").read_text():
                assert rig.is_alive()
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            rig.join(timeout=60)
        process.wait(timeout=60)
        assert process.returncode == 143
    [(status, body)] = answers
    assert status == 503
    assert msgspec.json.decode(body, type=ErrorMessage).error.startswith("the server stops; send the request again")
    printed = folder.with_name("stderr").read_text()
    assert "Traceback" not in printed
    assert "plug-in" not in printed


def test_a_client_that_drops_its_connection_changes_nothing(folder: Path) -> None:
    """No traceback on the server's terminal, and the next request is answered."""
    new_experiment(folder)

    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = files()
    with started(folder) as (_, address, _):
        for _ in range(3):
            incomplete(address).close()
            dropped = incomplete(address)
            dropped.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            dropped.close()
        assert ask(f"http://{address}/status")[0] == 200
        assert ask(f"http://{address}/responses", {"trial": [1], "response": [1.0]})[0] == 400
    assert files() == before
    assert "Traceback" not in folder.with_name("stderr").read_text()


def test_a_field_that_a_form_gives_twice_is_refused(folder: Path) -> None:
    """Which of two is meant cannot be told: neither is recorded."""
    from urllib.parse import quote

    new_experiment(folder)
    with serving(folder) as (address, _):
        url = f"http://{address}"
        block = msgspec.json.decode(ask(f"{url}/next")[1], type=BlockMessage)
        assert block.missing
        first, second = (quote(json.dumps({"trial": [1], "response": [value]})) for value in (1.0, 2.0))
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        code, answer = ask(f"{url}/responses", f"json={first}&json={second}".encode(), headers=form)
        assert code == 400
        assert "more than once" in msgspec.json.decode(answer, type=ErrorMessage).error
        status = msgspec.json.decode(ask(f"{url}/status")[1], type=StatusMessage)
        assert status.missing == block.missing


def test_a_request_does_not_wait_for_ever_for_a_stopped_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets an answer that says what to do, and the next one goes on."""
    new_experiment(folder)
    monkeypatch.setattr("amb.lab.server.PATIENCE", 0.1)
    server = application(folder, "token")
    with hold(folder / LOCK) as held:
        assert held is not None
        status, refused = asked_directly(server, "/next")
        assert (status, "another process has held" in refused["error"]) == (503, True)
        assert asked_directly(server, "/status")[0] == 200
    assert asked_directly(server, "/next")[1]["block"] == 1


def test_a_client_can_tell_a_full_disk_from_a_request_that_is_wrong(
    folder: Path, file_limit: Callable[[int | None], None]
) -> None:
    """The one is to be sent again, the other is not; a response that met a full disk is recorded the second time."""
    new_experiment(folder)
    server = application(folder, "token")
    assert asked_directly(server, "/next")[0] == 200
    before = (folder / JOURNAL).read_bytes()
    file_limit(len(before))
    status, refused = asked_directly(server, "/responses", b'{"trial": [1], "response": [1.0]}')
    file_limit(None)
    assert (status, "repeat the command" in refused["error"]) == (507, True)
    assert (folder / JOURNAL).read_bytes() == before
    assert asked_directly(server, "/responses", b'{"trial": [1], "response": [1.0]}')[1]["new"] == 1
    assert asked_directly(server, "/responses", b'{"trial": [1], "response": [2.0]}')[0] == 400
    answers = asked_directly(server, "/openapi.json")[1]["paths"]["/responses"]["post"]["responses"]
    assert {"200", "400", "503", "507"} <= answers.keys()


def asked_directly(server: App, path: str, body: bytes | None = None) -> tuple[int, dict]:
    """The answer of a server in this process."""
    sent: list[Scope] = []

    async def receive() -> Scope:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def send(message: Scope) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer token"), (b"content-type", b"application/json")]
    method = "GET" if body is None else "POST"
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b"", "client": None}
    asyncio.run(server(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def test_a_large_request_keeps_the_server_from_no_other_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read in a thread of its own."""
    new_experiment(folder)
    threads = []

    def read(body: bytes) -> object:
        threads.append(threading.get_ident())
        return json.loads(body)

    monkeypatch.setattr(server, "parse_json", read)
    for path in ("/responses", "/next"):
        asked_directly(application(folder, "token"), path, b"{}")
    assert len(threads) == 2
    assert threading.get_ident() not in threads


def test_only_pictures_that_are_as_they_were_written_are_handed_out(folder: Path) -> None:
    """A pipe would stop the server for good, a link shows another file, and a changed picture another stimulus."""
    block = new_experiment(folder).next_block()
    assert block is not None
    os.mkfifo(block.folder / "pipe.png")
    (block.folder / "link.png").symlink_to(folder / "experiment.toml")
    good, changed, gone, linked = (path for path in sorted(block.folder.glob("n1-*.png"))[:4])
    changed.write_bytes(good.read_bytes())
    gone.unlink()
    linked.unlink()
    linked.symlink_to(good)
    with serving(folder) as (address, _):
        url = f"http://{address}/blocks/1"
        assert ask(f"{url}/{good.name}") == (200, good.read_bytes())
        for option in ("", "?base64=1"):
            assert ask(f"{url}/pipe.png{option}")[0] == ask(f"{url}/link.png{option}")[0] == 404
            for path, reason in ((changed, "was changed"), (gone, "No such file"), (linked, "symbolic link")):
                status, content = ask(f"{url}/{path.name}{option}")
                assert (status, reason in json.loads(content)["error"]) == (500, True)
        ask(f"http://{address}/next")
        assert [ask(f"{url}/{path.name}")[0] for path in (changed, gone, linked)] == [200] * 3
    assert folder.with_name("stderr").read_text() == ""


def test_addresses_of_pictures_are_encoded(folder: Path, tmp_path: Path) -> None:
    """A rig that asks for them as they are gets each picture, whatever its name."""
    photos = [tmp_path / f"{name}.png" for name in ("a#b", "a?b", "x%41", "xA")]
    for number, photo in enumerate(photos):
        Image.fromarray(np.full((8, 8, 3), 60 * number, np.uint8)).save(photo)
    create(folder, template(generator="toy", neurons=("n1",), solver="cma", trials=100, together=False, seed=0), photos)
    server = application(folder, "token")
    trials = asked_directly(server, "/next")[1]["trials"]
    shown = {trial["stimulus"]: trial["url"] for trial in trials if trial["kind"] == "reference"}
    assert {unquote(url) for url in shown.values()} == {f"/blocks/1/{stimulus}.png" for stimulus in shown}
    assert not any(sign in url for url in shown.values() for sign in "#?")
    assert "%2541" in shown["ref-x%41"]

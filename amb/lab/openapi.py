"""The server's interface as an OpenAPI 3.1 document, from the messages' own types."""

from importlib.metadata import version
from typing import Any

import msgspec

from amb.lab.messages import BlockMessage, CloseMessage, ErrorMessage, ReceiptMessage, StatusMessage

_NUMBERS = {"oneOf": [{"type": "number"}, {"type": "null"}, {"type": "array", "items": {}}]}

RESPONSES: dict[str, Any] = {
    "type": "object",
    "description": "Columns of equal length, one row per trial (or per trial and neuron); single values stand for "
    "columns of one row. Give a matrix `response` or `spikes` (trials by neurons, in the experiment's order), or a "
    "column for each neuron by its name, or one value per row with the names in `neuron`. null marks a rejected trial.",
    "required": ["trial"],
    "properties": {
        "trial": {"oneOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
        "response": {**_NUMBERS, "description": "Responses, of any unit, higher is better."},
        "spikes": {**_NUMBERS, "description": "Spike times in ms after stimulus onset, a list per trial (and neuron)."},
        "neuron": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "rejected": {"description": "true or 1 for rejected trials."},
    },
    "additionalProperties": _NUMBERS,
}

_REFUSALS = {
    "400": "Refused; nothing was recorded.",
    "500": "The experiment's files cannot be read or written; mend that, and send the request again.",
    "503": "Another process works on the experiment, or the server stops; send the request again.",
    "507": "The disk has no room; make some, and send the request again.",
}


def document(*, token: bool) -> dict[str, Any]:
    """The document.

    Args:
        token: whether requests need one.
    """
    messages = (BlockMessage, ReceiptMessage, StatusMessage, CloseMessage, ErrorMessage)
    schemas, components = msgspec.json.schema_components(messages, ref_template="#/components/schemas/{name}")
    of = dict(zip(messages, schemas, strict=True))
    block = _answer("The open block, or else a new one.", of[BlockMessage])
    paths: dict[str, Any] = {
        "/status": {"get": _operation("status", "How far the experiment is.", _answer("Status.", of[StatusMessage]))},
        "/next": {
            "get": _operation("next", "The block to present; repeats the open block until it is complete.", block),
            "post": _operation(
                "close", "The same, after counting a block's missing trials as lost.", block, of[CloseMessage]
            ),
        },
        "/blocks/{block}/{file}": {
            "get": {
                **_operation("picture", "The picture of a stimulus.", _picture()),
                "parameters": [
                    _parameter("block", "integer"),
                    _parameter("file", "string"),
                    {**_parameter("base64", "string"), "in": "query", "required": False},
                ],
            }
        },
        "/responses": {
            "post": _operation(
                "tell",
                "Record responses; agreeing doubles are ignored.",
                _answer("Recorded on the disk.", of[ReceiptMessage]),
                RESPONSES,
            )
        },
        "/openapi.json": {"get": _operation("document", "This document.", _answer("OpenAPI 3.1.", {"type": "object"}))},
    }
    for path in paths.values():
        for operation in path.values():
            for status, why in _REFUSALS.items():
                operation["responses"][status] = _answer(why, of[ErrorMessage])
            if token:
                operation["responses"]["401"] = _answer("The token is missing or wrong.", of[ErrorMessage])
    security = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if token else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": "amb lab", "version": version("amb"), "summary": "Stimuli out, responses in."},
        "paths": paths,
        "components": {"schemas": components, **security},
        **({"security": [{"token": []}]} if token else {}),
    }


def _operation(name: str, summary: str, answer: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": {"200": answer}}
    if body is not None:
        form = {"type": "object", "required": ["json"], "properties": {"json": {"type": "string"}}}
        kinds = {"application/json": {"schema": body}, "application/x-www-form-urlencoded": {"schema": form}}
        operation["requestBody"] = {"required": True, "content": kinds}
    return operation


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _picture() -> dict[str, Any]:
    return {"description": "PNG; its bytes in Base64 with ?base64=1.", "content": {"image/png": {}, "text/plain": {}}}


def _parameter(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": kind}}

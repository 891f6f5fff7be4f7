"""Answers in JSON, and what a request is refused with: one sentence as `{"error": ...}`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

_LONGEST = 300  # characters of a sentence's part that comes from a request
_LONGEST_SENTENCE = 2000


class RequestError(Exception):
    """A request that is refused. status: of HTTP. headers: of the answer, beside the usual ones."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})

    def answer(self) -> Response:
        return error_answer(self.status, str(self), self.headers)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON in ASCII: names of files can hold halves of characters, which UTF-8 cannot."""
    data = json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
    return Response(data, status, dict(headers or {}), "application/json")


def error_answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return answer({"error": " ".join(message.split())[:_LONGEST_SENTENCE]}, status, headers)


def sentence(errors: Sequence[Any]) -> str:
    """What pydantic says is wrong with a request: the first mistake, where it is, and how many more there are."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("query", "body"))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where[:_LONGEST] or 'the request'}: {first['msg'][:_LONGEST]}{more}"

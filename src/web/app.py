"""The routes of the service."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from .. import __version__
from .api_page import api_page
from .corrected import LengthsBody, corrected_lengths
from .guard import Guard
from .labels import TARGETS, LabelsBody, label_file
from .metrics import CONTENT_TYPE, Metrics
from .networks import Networks
from .options import PhotoQuery, of_query, options_of
from .problems import RequestError, answer, error_answer, sentence
from .reading import MOST_JSON, Bodies, Held, read_json
from .settings import Settings
from .uploads import PART, PhotosBody, read_photos
from .worker import Worker

PAGE = Path(__file__).parent / "page"
_REQUESTS = 4
"""Times the longest body: so many bytes of all requests are in memory at once."""
_QUERIES = {"/v1/vocabulary": (), "/v1/lengths": (), "/v1/labels": ("to",)}
"""What can be asked where it is no `PhotoQuery`."""
# By default FastAPI gives requests and errors to OpenTelemetry, which variables of the environment let send them away.
_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
_FORM = {"type": "object", "properties": {PART: {"type": "array", "items": {"type": "string", "format": "binary"}}}}


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """What the routes work with."""

    settings: Settings
    worker: Worker
    metrics: Metrics
    bodies: Bodies

    @property
    def networks(self) -> Networks:
        """Raises RequestError while they are loaded."""
        if self.worker.networks is None:
            raise RequestError(503, "the networks are being loaded; try again", {"Retry-After": "1"})
        return self.worker.networks


def new_app(settings: Settings, worker: Worker, metrics: Metrics) -> ASGIApp:
    """The service as an ASGI application; the worker is started and stopped by the caller."""
    service = Service(settings, worker, metrics, Bodies(_REQUESTS * settings.max_bytes))
    app = FastAPI(
        title="AiFashion",
        description="Garments in photos: category, keypoints, crop, attributes and lengths.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirection would name this address, not that of a proxy
        dependencies=[Depends(_plain_query)],
        telemetry=_NO_TELEMETRY,
    )
    _add_errors(app)
    _add_recognition(app, service)
    _add_corrections(app, service)
    _add_state(app, service)
    _add_pages(app)
    return Guard(app, settings, metrics)


async def _plain_query(request: Request) -> None:
    """Raises RequestError where something is asked twice, or of a route that has no such query."""
    names = [name for name, _ in request.query_params.multi_items()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RequestError(400, f"{twice[:40]}: given more than once")
    known = _QUERIES.get(request.scope["route"].path, tuple(names))
    for name in names:
        if name not in known:
            raise RequestError(400, f"{name[:40]}: nothing of this name can be asked here; /docs lists what can")


def _add_errors(app: FastAPI) -> None:
    """Each error as one sentence in JSON."""

    def refused(request: Request, error: Any) -> Response:
        return error.answer()

    def invalid(request: Request, error: Any) -> Response:
        return error_answer(400, sentence(error.errors()))

    def of_http(request: Request, error: Any) -> Response:
        messages = {404: "nothing is there; /docs lists what is", 405: f"{request.method} is not possible there"}
        return error_answer(error.status_code, messages.get(error.status_code, str(error.detail)), error.headers)

    def gone(request: Request, error: Any) -> Response:
        return Response(status_code=499)

    def failed(request: Request, error: Any) -> Response:
        return error_answer(500, "something went wrong in the service")

    app.add_exception_handler(RequestError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, failed)


def _add_recognition(app: FastAPI, service: Service) -> None:
    @app.post("/v1/garments", openapi_extra=_body({"multipart/form-data": _FORM} | _json(PhotosBody)))
    async def garments(request: Request, query: Annotated[PhotoQuery, Query()]) -> Response:
        """The garments of photos, which are parts called photos of a form, or base64 in JSON.

        The answer has an entry for each photo, in order: name, width, height and garments; or name and error."""
        options, networks = options_of(query), service.networks
        try:
            networks.check(options)
        except ValueError as error:
            raise RequestError(400, of_query(error)) from None
        with service.bodies.holding() as held:
            return answer({"photos": await _entries(request, service, options, held)})

    @app.get("/v1/vocabulary")
    async def vocabulary() -> Response:
        """The categories, their keypoints and lengths, the attributes, which networks these are, and the limits of a
        request: bytes and photos."""
        limits = {"bytes": service.settings.max_bytes, "photos": service.settings.queue}
        return answer(service.networks.facts | {"limits": limits})


async def _entries(request: Request, service: Service, options: Any, held: Held) -> list[dict[str, Any]]:
    """Raises ClientDisconnect where nobody waits for them any longer; photos that wait are then left out."""
    photos = await read_photos(request, service.settings.max_bytes, service.settings.queue, held)
    entries = [asyncio.wrap_future(job) for job in service.worker.submit(photos, options)]
    del photos
    answered = asyncio.ensure_future(asyncio.wait(entries))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise ClientDisconnect
        return [entry.result() for entry in entries]
    finally:
        for task in (answered, gone, *entries):  # photos that wait are cancelled with their entries
            task.cancel()


async def _gone(request: Request) -> None:
    """Returns when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_corrections(app: FastAPI, service: Service) -> None:
    most = min(MOST_JSON, service.settings.max_bytes)

    @app.post("/v1/lengths", openapi_extra=_body(_json(LengthsBody)))
    async def lengths(request: Request) -> Response:
        """The lengths of a garment whose keypoints were corrected: in px, and with a scale in cm."""
        with service.bodies.holding() as held:
            body = await read_json(request, LengthsBody, most, held)
        return answer(corrected_lengths(body, service.networks.vocabulary))

    @app.post("/v1/labels", openapi_extra=_body(_json(LabelsBody)))
    async def labels(
        request: Request, to: Annotated[str, Query(description=f"the format: {', '.join(TARGETS)}")]
    ) -> Response:
        """Corrected keypoints as a file of labels. X-Left-Out counts garments for which the format has no room."""
        with service.bodies.holding() as held:
            body = await read_json(request, LabelsBody, most, held)
        made = await asyncio.to_thread(label_file, body, to, service.networks.vocabulary)
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"', "X-Left-Out": str(made.left_out)}
        return Response(made.text.encode(), 200, headers, made.media_type)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        """Answers as soon as the service listens."""
        return answer({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> Response:
        """503 until the networks are loaded."""
        return answer({"status": "ready", "vocabulary": service.networks.facts["name"]})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Metrics for Prometheus."""
        return PlainTextResponse(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _add_pages(app: FastAPI) -> None:
    files = StaticFiles(directory=PAGE, check_dir=False)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(api_page(app.openapi()))

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return await _file(files, "index.html", request)

    @app.get("/page/{path:path}", include_in_schema=False)
    async def part(path: str, request: Request) -> Response:
        return await _file(files, path, request)

    @app.get("/{name}", include_in_schema=False)
    async def beside(name: str, request: Request) -> Response:
        return await _file(files, name, request)


async def _file(files: StaticFiles, path: str, request: Request) -> Response:
    """Raises HTTPException where there is none; links and `..` do not lead out of the folder."""
    return await files.get_response(files.get_path({"path": path, "root_path": ""}), request.scope)


def _body(content: dict[str, Any]) -> dict[str, Any]:
    schemas = {kind: {"schema": schema} for kind, schema in content.items()}
    return {"requestBody": {"required": True, "content": schemas}}


def _json(kind: Any) -> dict[str, Any]:
    """The description of a body; what it refers to stands in it, since OpenAPI keeps it elsewhere."""
    schema = kind.model_json_schema()
    return {"application/json": _inlined(schema, schema.pop("$defs", {}))}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(value, parts) for name, value in schema.items()}

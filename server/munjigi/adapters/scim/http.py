"""SCIM over HTTP: who asks is proved first, then a request is read within bounds, and every answer is SCIM's, errors too."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from munjigi.adapters.scim.directory import Directory
from munjigi.adapters.scim.discovery import CONFIG, PAGE, SCHEMAS, TYPES, listing
from munjigi.adapters.scim.filters import parse_filter
from munjigi.adapters.scim.patching import patched
from munjigi.adapters.scim.ports import Doorkeeper
from munjigi.adapters.scim.refusals import Refused, body_of, status_of
from munjigi.adapters.scim.users import BASE, User, user_of
from munjigi.kernel.errors import MunjigiError, frames_of

_LOGGER: Final = logging.getLogger("munjigi.scim")
_MEDIA: Final = "application/scim+json"
_LARGEST: Final = 256 * 1024  # bytes of a body
Handler = Callable[[Request], Awaitable[Response]]


def application(directory: Directory, token: str, keeper: Doorkeeper) -> Starlette:
    """Make the application. `token` is what clients present as bearer."""
    digest = hashlib.sha256(token.encode()).digest()

    def guarded(handler: Handler) -> Handler:
        async def serve(request: Request) -> Response:
            began, reason = time.perf_counter(), "INTERNAL"
            try:
                if (refused := _refused(request, digest)) is not None:
                    reason = refused
                    await keeper.refused(request.client.host if request.client else "", refused)
                    return _error(401, body_of(401, "", "The bearer token is missing or wrong."), {"www-authenticate": "Bearer"})
                answer = await handler(request)
                reason = "OK"
            except MunjigiError as error:
                reason = error.reason
                status, scim_type = status_of(error)
                return _error(status, body_of(status, scim_type, error.message))
            except Exception as error:  # noqa: BLE001 - its text may hold what was sent (P5)
                _LOGGER.error("a request failed", extra={"frames": frames_of(error), "kind": type(error).__name__})  # noqa: TRY400
                return _error(500, body_of(500, "", "Internal error; the server's log says where."))
            else:
                return answer
            finally:
                keeper.answered(reason, time.perf_counter() - began)

        return serve

    users = _Users(directory)
    routes = [
        Route(f"{BASE}/ServiceProviderConfig", guarded(_document(CONFIG)), methods=["GET"]),
        Route(f"{BASE}/ResourceTypes", guarded(_document(listing(TYPES, len(TYPES)))), methods=["GET"]),
        Route(f"{BASE}/ResourceTypes/User", guarded(_document(TYPES[0])), methods=["GET"]),
        Route(f"{BASE}/Schemas", guarded(_document(listing(SCHEMAS, len(SCHEMAS)))), methods=["GET"]),
        *(Route(f"{BASE}/Schemas/{each['id']}", guarded(_document(each)), methods=["GET"]) for each in SCHEMAS),
        Route(f"{BASE}/Users", guarded(users.search), methods=["GET"]),
        Route(f"{BASE}/Users", guarded(users.create), methods=["POST"]),
        Route(f"{BASE}/Users/{{person_id}}", guarded(users.get), methods=["GET"]),
        Route(f"{BASE}/Users/{{person_id}}", guarded(users.replace), methods=["PUT"]),
        Route(f"{BASE}/Users/{{person_id}}", guarded(users.patch), methods=["PATCH"]),
        Route(f"{BASE}/Users/{{person_id}}", guarded(users.delete), methods=["DELETE"]),
        Route("/{rest:path}", guarded(_nowhere)),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})


class _Users:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def search(self, request: Request) -> Response:
        asked = request.query_params
        terms = parse_filter(asked.get("filter", ""))
        start, count = _number(asked.get("startIndex"), 1), _number(asked.get("count"), PAGE)
        return _answer(await self._directory.search(terms, start, count))

    async def create(self, request: Request) -> Response:
        return _resource(await self._directory.create(user_of(await _body(request))), 201)

    async def get(self, request: Request) -> Response:
        resource = await self._directory.get(request.path_params["person_id"])
        known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
        if resource["meta"]["version"] in known:
            return Response(status_code=304, headers={"etag": resource["meta"]["version"]})
        return _resource(resource)

    async def replace(self, request: Request) -> Response:
        wanted = user_of(await _body(request))

        # What is not said stays as it is: lists and events say more of a person than a directory does.
        return await self._changed(request, lambda user: user.overlaid(wanted._asdict()))

    async def patch(self, request: Request) -> Response:
        body = await _body(request)
        return await self._changed(request, lambda user: patched(user, body))

    async def delete(self, request: Request) -> Response:
        await self._directory.delete(request.path_params["person_id"], request.headers.get("if-match", ""))
        return Response(status_code=204)

    async def _changed(self, request: Request, change: Callable[[User], User]) -> Response:
        expected = request.headers.get("if-match", "")
        return _resource(await self._directory.change(request.path_params["person_id"], change, expected))


def _refused(request: Request, digest: bytes) -> str | None:
    given = request.headers.getlist("authorization")
    if not given:
        return "SCIM_TOKEN_MISSING"
    scheme, _, token = given[0].partition(" ")
    good = hmac.compare_digest(hashlib.sha256(token.strip().encode("utf-8", "replace")).digest(), digest)
    return None if good and scheme.lower() == "bearer" and len(given) == 1 else "SCIM_TOKEN_WRONG"


async def _body(request: Request) -> object:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _LARGEST:
            raise Refused("", "A body has at most 256 KiB.", 413)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Refused("invalidSyntax", "The body is not JSON.") from None


def _number(text: str | None, default: int) -> int:
    try:
        return default if text is None or len(text) > 12 else int(text)
    except ValueError:
        raise Refused("invalidValue", "`startIndex` and `count` are numbers.") from None


def _document(content: dict[str, Any]) -> Handler:
    async def document(_request: Request) -> Response:
        return _answer(content)

    return document


async def _nowhere(_request: Request) -> Response:
    raise Refused("", "There is nothing here; Users are at /scim/v2/Users.", 404)


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _error(status, body_of(status, "", "Not possible here; /scim/v2/ServiceProviderConfig says what is."))


def _answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, _MEDIA)


def _resource(resource: dict[str, Any], status: int = 200) -> Response:
    meta = resource["meta"]
    headers = {"etag": meta["version"], **({"location": meta["location"]} if status == 201 else {})}
    return _answer(resource, status, headers)


def _error(status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return _answer(content, status, headers)

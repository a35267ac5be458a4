"""`APIServer`: answers requests, whatever brought them. A failure is an answer too: a Status.

The order of a request is that of the handler chain upstream: take the URL apart, find out who asks, may they,
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import JSON, PROTOBUF, Request, Response, UserInfo
from kubesim.apimachinery.schema import Schema
from kubesim.apimachinery.scheme import Scheme
from kubesim.apiserver.auth import (
    UNAUTHENTICATED,
    AuthenticatedOnly,
    Authorizer,
    attributes_of,
    effective_user,
    refusal,
)
from kubesim.apiserver.discovery import Discovery
from kubesim.apiserver.handlers import Call, ResourceHandlers, not_allowed, not_there
from kubesim.apiserver.health import TEXT, VersionInfo, health, root_paths
from kubesim.apiserver.log import log_events
from kubesim.apiserver.negotiation import in_protobuf, negotiate
from kubesim.apiserver.requestinfo import BadPathError, RequestInfo, first, request_info
from kubesim.apiserver.reviews import Reviews
from kubesim.apiserver.subresources import BINDING, ConnectRuntime, Subresources
from kubesim.registry.decoding import decode_body
from kubesim.registry.registry import Registry
from kubesim.registry.store import Store
from kubesim.storage.interface import Storage, StorageError
from kubesim.util.clock import Clock
from kubesim.util.ids import Identities

if TYPE_CHECKING:
    from kubesim.apiserver.authentication import Authenticator
    from kubesim.apiserver.openapi.serving import OpenAPI
    from kubesim.registry.tokens import TokenKey

LOG_PATH: Final = "/kubesim/log"
REVISION_PATH: Final = "/kubesim/revision"
PODS: Final = GroupVersionResource("", "v1", "pods")
JSON_TYPE: Final = {"content-type": "application/json"}
OPENID_CONFIGURATION: Final = "/.well-known/openid-configuration"
KEY_SET: Final = "/openid/v1/jwks"


class APIServer:
    """The API of one cluster. `runtime` may be set later: who runs Pods needs a client of this server.

    `token_key` gives the key of ServiceAccounts' tokens when it is wanted; `address` is the host and port under which
    others than Pods know the server.
    """

    def __init__(
        self,
        *,
        scheme: Scheme,
        schema: Schema,
        storage: Storage,
        registry: Registry,
        clock: Clock,
        identities: Identities,
        version: VersionInfo,
        token_key: Callable[[], TokenKey],
        address: str,
        authorizer: Authorizer | None = None,
        runtime: ConnectRuntime | None = None,
    ) -> None:
        self.scheme = scheme
        self.registry = registry
        self._schema = schema
        self._storage = storage
        self._version = version
        self._authorizer = authorizer or AuthenticatedOnly()
        self._discovery = Discovery(scheme, address)
        self._handlers = ResourceHandlers(clock=clock)
        self._minor = int(scheme.version.split(".")[1])
        self._clock = clock
        self._token_key = token_key
        self._address = address
        self._subresources = Subresources(
            self._handlers,
            registry,
            schema=schema,
            clock=clock,
            identities=identities,
            token_key=token_key,
            minor=self._minor,
            runtime=runtime,
        )
        self._reviews = Reviews(self._authorizer, schema=schema, authenticator=lambda: self.authenticator)

    @property
    def runtime(self) -> ConnectRuntime | None:
        """What answers log, exec, attach, port-forward and proxy."""
        return self._subresources.runtime

    @runtime.setter
    def runtime(self, runtime: ConnectRuntime | None) -> None:
        self._subresources.runtime = runtime

    @cached_property
    def authenticator(self) -> Authenticator:
        """Tells who sends a request, where that does not go without saying."""
        from kubesim.apiserver.authentication import Authenticator
        from kubesim.registry.reader import StorageReader
        from kubesim.registry.serviceaccount import Gates

        return Authenticator(
            key=self._token_key(),
            reader=StorageReader(self._storage),
            clock=self._clock,
            gates=Gates(self._minor),
        )

    def batch(self) -> AbstractContextManager[object]:
        """All writes inside the block are one transaction of the store."""
        return self._storage.transaction()

    def __call__(self, request: Request) -> Response:
        """Answer a request. Never raises what a client may have caused."""
        warnings: list[str] = []
        try:
            response = self._serve(request, warnings)
        except StatusError as error:
            response = Response(error.code, error.status, dict(JSON_TYPE))
            if seconds := (error.status.get("details") or {}).get("retryAfterSeconds"):
                response.headers["retry-after"] = str(seconds)
        except RecursionError:
            refused = errors.bad_request("exceeded max depth")
            response = Response(refused.code, refused.status, dict(JSON_TYPE))
        except StorageError as error:
            failure = errors.internal_error(str(error))
            response = Response(failure.code, failure.status, dict(JSON_TYPE))
        if warnings:
            response.warnings = warnings
        if isinstance(response.body, dict):
            response.headers.setdefault("content-type", JSON)
        if PROTOBUF in request.headers.get("accept", ""):
            return in_protobuf(response, request.headers)
        return response

    def authorize(self, request: Request) -> tuple[RequestInfo, UserInfo]:
        """What a request asks for, and for whom, if that one may: also for what is answered elsewhere.

        Raises StatusError 400 and 403.
        """
        try:
            info = request_info(request.method, request.path, request.query)
        except BadPathError as error:
            raise errors.bad_request(str(error)) from None
        user = effective_user(request)
        # Those who are known may do everything there: nothing is asked for them.
        if type(self._authorizer) is not AuthenticatedOnly or UNAUTHENTICATED in user.groups:
            attributes = attributes_of(user, info)
            decision = self._authorizer.authorize(attributes)
            if not decision.allowed:
                raise refusal(attributes, decision.reason)
        return info, user

    def _serve(self, request: Request, warnings: list[str]) -> Response:
        info, user = self.authorize(request)
        call = Call(request, info, user, warnings)
        return self._resource(call) if info.is_resource else self._other(call)

    # Resources.

    def _resource(self, call: Call) -> Response:
        info = call.info
        gvr = GroupVersionResource(info.group, info.version, info.resource)
        store = self.registry.store(gvr)
        if store is None:
            if info.group and not self._discovery.has_group(info.group):
                return _nothing_here()
            raise not_there()
        resource = store.resource
        if info.namespace and not resource.namespaced and resource.kind != "Namespace":
            raise not_there()
        if info.subresource:
            return self._subresources.handle(call, store)
        self._warn_of_deprecation(call)
        if "get" not in resource.verbs:
            return self._created_only(call, store)
        if resource.kind == "ComponentStatus":
            return self._component_statuses(call, store)
        return self._handlers.handle(call, store)

    def _warn_of_deprecation(self, call: Call) -> None:
        """Texts of k8s.io/apiserver pkg/endpoints/deprecation and of the strategies."""
        info = call.info
        if info.group or info.version != "v1":
            return
        if info.resource == "componentstatuses":
            call.warn("v1 ComponentStatus is deprecated in v1.19+")
        elif info.resource == "endpoints" and self._minor >= 33:
            call.warn("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")

    def _created_only(self, call: Call, store: Store) -> Response:
        """Reviews and Bindings: kinds that are asked, or carried out, but never stored."""
        info, resource = call.info, store.resource
        if call.request.method != "POST" or info.name:
            raise not_allowed() if not info.name else not_there()
        if resource.namespaced and not info.namespace:
            raise not_there()
        if self._reviews.answers(resource):
            return self._reviews.create(call, resource)
        pods = self.registry.store(PODS)
        if resource.kind != "Binding" or pods is None:
            raise not_there()
        options = call.write_options("CreateOptions")
        binding = decode_body(
            self._schema,
            BINDING,
            call.body(BINDING),
            validation=options.field_validation,
            warn=options.warn,
        )
        name = (binding.get("metadata") or {}).get("name") or ""
        return self._subresources.bind(call, pods, binding, name, options)

    def _component_statuses(self, call: Call, store: Store) -> Response:
        from kubesim.apiserver.componentstatus import component_status, component_statuses
        from kubesim.apiserver.output import respond

        if call.request.method != "GET":
            raise not_allowed()
        wanted = negotiate(call.request.headers)
        found = component_status(call.info.name) if call.info.name else component_statuses()
        return respond(
            found, wanted, resource=store.resource, status=200, now=store.clock.now(), include=call.include
        )

    # Everything else.

    def _other(self, call: Call) -> Response:
        path, method = call.info.path, call.request.method
        if path == LOG_PATH:
            return self._log(call)
        if path == REVISION_PATH:
            return Response(200, {"revision": self._storage.revision()}, dict(JSON_TYPE))
        if path.startswith("/api"):
            found = self._discover(call)
            if found is not None:
                return found
        elif method in ("GET", "HEAD"):
            if path == "/version" or path == "/version/":
                return Response(200, self._version.body(), dict(JSON_TYPE))
            if (response := health(path, call.request.query)) is not None:
                return response
            if path in (OPENID_CONFIGURATION, KEY_SET):
                return self._issuer(path)
            if path.startswith("/openapi/") and (response := self._openapi.handle(call.request)) is not None:
                return response
            if path == "/":
                return Response(200, root_paths(self._discovery), dict(JSON_TYPE))
        return _nothing_here()

    def _issuer(self, path: str) -> Response:
        """What others need who verify tokens: pkg/routes/openidmetadata.go."""
        key, cached = self._token_key(), {"cache-control": "public, max-age=3600"}
        if path == KEY_SET:
            return Response(200, key.key_set(), {"content-type": "application/jwk-set+json"} | cached)
        return Response(200, key.openid_configuration(self._address), JSON_TYPE | cached)

    @cached_property
    def _openapi(self) -> OpenAPI:
        from kubesim.apiserver.openapi.serving import BuiltinKinds, OpenAPI

        version = self._version.git_version
        kinds = BuiltinKinds(self.scheme, title_version=version)
        return OpenAPI((kinds,), title_version=version, now=self._clock.now)

    def _log(self, call: Call) -> Response:
        query = call.request.query
        resources = [r for v in query.get("resources", ()) for r in v.split(",") if r]
        after, limit = int(first(query, "after") or 0), int(first(query, "limit") or 0)
        return Response(200, events=log_events(self._storage, after, limit=limit, resources=resources))

    def _discover(self, call: Call) -> Response | None:
        """The discovery documents; None for a path that is none."""
        parts = [p for p in call.info.path.split("/") if p]
        if call.request.method not in ("GET", "HEAD"):
            raise not_allowed()
        discovery = self._discovery
        match parts:
            case ["api" | "apis"]:
                return self._root(call, core=parts[0] == "api")
            case ["api", version] if discovery.has_version("", version):
                return Response(200, discovery.resources("", version), dict(JSON_TYPE))
            case ["api", *_]:
                raise not_there()
            case ["apis", group] if discovery.has_group(group):
                return Response(200, discovery.api_group(group), dict(JSON_TYPE))
            case ["apis", group, version] if discovery.has_version(group, version):
                return Response(200, discovery.resources(group, version), dict(JSON_TYPE))
            case ["apis", group, *_] if discovery.has_group(group):
                raise not_there()
            case _:
                return None

    def _root(self, call: Call, *, core: bool) -> Response:
        wanted = negotiate(call.request.headers)
        if wanted.kind != "APIGroupDiscoveryList":
            body = self._discovery.api_versions() if core else self._discovery.api_groups()
            return Response(200, body, dict(JSON_TYPE))
        body = self._discovery.aggregated(wanted, core=core)
        etag = f'"{self._discovery.etag(body)}"'
        headers = {
            "content-type": f"application/json;g={wanted.group};v={wanted.version};as={wanted.kind}",
            "etag": etag,
            "vary": "Accept",
        }
        if call.request.headers.get("if-none-match") == etag:
            return Response(304, None, headers)
        return Response(200, body, headers)


def _nothing_here() -> Response:
    """What the last mux upstream answers: no Status."""
    return Response(404, "404 page not found\n", {"content-type": TEXT, "x-content-type-options": "nosniff"})


__all__ = ["APIServer", "ConnectRuntime", "Registry", "RequestInfo"]

"""The endpoints below an object: status, scale, binding, eviction, and what a running Pod is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from kubesim.apimachinery import errors
from kubesim.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from kubesim.apimachinery.rest import Request, Response
from kubesim.apimachinery.schema import Schema
from kubesim.apiserver.handlers import Call, ResourceHandlers, not_allowed, not_there
from kubesim.apiserver.negotiation import negotiate, patch_type
from kubesim.apiserver.output import respond
from kubesim.apiserver.parameters import delete_options
from kubesim.registry.decoding import decode_body
from kubesim.registry.metadata import check_name, ensure_namespace, metadata_of
from kubesim.registry.namespace import FINALIZE
from kubesim.registry.options import WriteOptions
from kubesim.registry.patching import apply_patch, read_patch
from kubesim.registry.pod.binding import bind
from kubesim.registry.pod.ephemeral import EPHEMERAL_CONTAINERS
from kubesim.registry.pod.eviction import BUDGETS, evict
from kubesim.registry.pod.resize import RESIZE
from kubesim.registry.registry import Registry
from kubesim.registry.scale import SCALE, scale_of, update_scale
from kubesim.registry.status import APPROVAL, status_strategy
from kubesim.registry.store import Store, UpdateStrategy
from kubesim.util.clock import Clock
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.registry.tokens import TokenKey

BINDING: Final = GroupVersionKind("", "v1", "Binding")
EVICTION: Final = GroupVersionKind("policy", "v1", "Eviction")
_OWN_STRATEGIES: Final = {
    "approval": APPROVAL,
    "ephemeralcontainers": EPHEMERAL_CONTAINERS,
    "resize": RESIZE,
}
CONNECTED: Final = ("log", "exec", "attach", "portforward", "proxy")

Handler = Callable[[Call, Store], Response]


class ConnectRuntime(Protocol):
    """What stands behind an object that can be connected to: the kubelets for Pods and Nodes, the network for
    Services.
    """

    def connect(self, obj: JSONObject, subresource: str, rest: str, request: Request) -> Response:
        """Answer a request for `log`, `exec`, `attach`, `portforward` or `proxy` of a Pod, Service or Node.

        `rest` is the path behind the subresource. Raises StatusError.
        """
        ...


class Subresources:
    """Finds and runs the handler of a subresource."""

    def __init__(
        self,
        handlers: ResourceHandlers,
        registry: Registry,
        *,
        schema: Schema,
        clock: Clock,
        identities: Identities,
        token_key: Callable[[], TokenKey],
        minor: int,
        runtime: ConnectRuntime | None = None,
    ) -> None:
        self._handlers = handlers
        self._registry = registry
        self._schema = schema
        self._clock = clock
        self._identities = identities
        self._token_key = token_key
        self._minor = minor
        self.runtime = runtime
        self._strategies: dict[tuple[str, str], UpdateStrategy] = {}
        self._own: dict[str, dict[str, Handler]] = {
            "scale": {"GET": self._get_scale, "PUT": self._put_scale, "PATCH": self._patch_scale},
            "binding": {"POST": self._bind},
            "eviction": {"POST": self._evict},
            "token": {"POST": self._token},
            "finalize": {"PUT": self._finalize},
        }

    def handle(self, call: Call, store: Store) -> Response:
        """A request on a subresource. Raises StatusError."""
        info, resource = call.info, store.resource
        known = (*resource.subresources, *(("status",) if resource.has_status else ()))
        if info.subresource not in known or (
            bool(info.namespace) != resource.namespaced and resource.kind != "Namespace"
        ):
            raise not_there()
        if info.subresource in CONNECTED:
            return self._connect(call, store)
        if info.subresource in self._own:
            handler = self._own[info.subresource].get(call.request.method)
            if handler is None:
                raise not_allowed()
            return handler(call, store)
        strategy = self._strategy(store, info.subresource)
        match call.request.method:
            case "GET":
                return self._handlers.get(call, store)
            case "PUT":
                return self._handlers.update(call, store, strategy)
            case "PATCH":
                return self._handlers.patch(call, store, strategy)
            case _:
                raise not_allowed()

    def _strategy(self, store: Store, subresource: str) -> UpdateStrategy:
        key = (store.gvr.qualified, subresource)
        found = self._strategies.get(key)
        if found is None:
            found = _OWN_STRATEGIES.get(subresource) or status_strategy(store.resource)
            self._strategies[key] = found
        return found

    def _connect(self, call: Call, store: Store) -> Response:
        info = call.info
        name = info.name
        if info.subresource == "proxy":
            from kubesim.kubelet.proxying import split_name

            name = split_name(name, store.resource.kind.lower()).name
        obj = store.get(info.namespace if store.resource.namespaced else "", name)
        if self.runtime is None:
            raise errors.status_error(503, "ServiceUnavailable", "no kubelet is running", details=False)
        return self.runtime.connect(obj, info.subresource, info.rest, call.request)

    # Scale.

    def _get_scale(self, call: Call, store: Store) -> Response:
        wanted = negotiate(call.request.headers)
        scale = scale_of(store.get(call.info.namespace, call.info.name))
        return respond(scale, wanted, resource=store.resource, status=200, now=self._clock.now())

    def _put_scale(self, call: Call, store: Store) -> Response:
        options = call.write_options("UpdateOptions")
        scale = self._decode(call, SCALE, options)
        metadata = metadata_of(scale)
        ensure_namespace(metadata, call.info.namespace)
        check_name(metadata, call.info.name)
        return self._scaled(call, store, lambda current: scale, options)

    def _patch_scale(self, call: Call, store: Store) -> Response:
        content_type = patch_type(call.request.headers)
        options = call.write_options("PatchOptions")
        patch = read_patch(call.request.body, content_type, options)
        node = self._schema.node(SCALE)

        def change(current: JSONObject) -> JSONObject:
            return apply_patch(current, patch, schema=self._schema, node=node, gvk=SCALE, options=options)

        return self._scaled(call, store, change, options)

    def _scaled(
        self,
        call: Call,
        store: Store,
        change: Callable[[JSONObject], JSONObject],
        options: WriteOptions,
    ) -> Response:
        info = call.info
        made = update_scale(store, info.name, change, namespace=info.namespace, options=options)
        return _answer(call, 200, made)

    # Pods.

    def _bind(self, call: Call, store: Store) -> Response:
        options = call.write_options("CreateOptions")
        binding = self._decode(call, BINDING, options)
        return self.bind(call, store, binding, call.info.name, options)

    def bind(
        self, call: Call, pods: Store, binding: JSONObject, name: str, options: WriteOptions
    ) -> Response:
        """Assign a Pod to a node."""
        ensure_namespace(metadata_of(binding), call.info.namespace)
        status = bind(pods, name, binding, namespace=call.info.namespace, options=options, clock=self._clock)
        return _answer(call, 201, status)

    def _evict(self, call: Call, store: Store) -> Response:
        options = call.write_options("CreateOptions")
        eviction = self._decode(call, EVICTION, options)
        how, dry_run = delete_options({}, eviction.get("deleteOptions"))
        if dry_run:
            options = call.write_options("CreateOptions", dry_run=dry_run)
        status = evict(
            store,
            self._registry.store(BUDGETS),
            call.info.name,
            eviction,
            namespace=call.info.namespace,
            delete_options=how,
            options=options,
            clock=self._clock,
        )
        return _answer(call, 201, status)

    def _finalize(self, call: Call, store: Store) -> Response:
        return self._handlers.update(call, store, FINALIZE)

    def _token(self, call: Call, store: Store) -> Response:
        # Not what a command that reads should have to load.
        from kubesim.registry.serviceaccount import TOKEN_REQUEST, Gates, issue_token

        options = call.write_options("CreateOptions")
        request = self._decode(call, TOKEN_REQUEST, options)
        account = store.get(call.info.namespace, call.info.name)
        issued = issue_token(
            account,
            request,
            key=self._token_key(),
            get=self._get_object,
            gates=Gates(self._minor),
            clock=self._clock,
            identities=self._identities,
        )
        return _answer(call, 201, issued)

    def _get_object(self, gvr: GroupVersionResource, namespace: str, name: str) -> JSONObject:
        store = self._registry.store(gvr)
        if store is None:
            raise not_there()
        return store.get(namespace, name)

    def _decode(self, call: Call, gvk: GroupVersionKind, options: WriteOptions) -> JSONObject:
        body = call.body(gvk)
        return decode_body(self._schema, gvk, body, validation=options.field_validation, warn=options.warn)


def _answer(call: Call, status: int, obj: JSONObject) -> Response:
    """An object as what it is, in a form that the client reads."""
    return Response(status, obj, {"content-type": negotiate(call.request.headers).media_type})

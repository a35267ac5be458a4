"""Who sent a request: certificates, tokens, nobody; and what somebody unknown may do."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from support.cluster import START, make_cluster

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import ADMIN, ANONYMOUS, Request, Response, UserInfo
from kubesim.client.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS
from kubesim.cluster.build import Cluster
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.containers import make_runtime
from kubesim.cluster.pki import Authority
from kubesim.registry.tokens import ISSUER, TokenKey
from kubesim.storage.memory import MemoryStorage
from kubesim.util.clock import FrozenClock
from kubesim.util.ids import SystemIdentities

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
EXTRA = "authentication.kubernetes.io/"


@dataclass
class World:
    """A cluster with a Pod that runs and a Secret."""

    cluster: Cluster
    clock: FrozenClock

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        request = Request(
            method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body
        )
        return self.cluster.server(request)

    def request(self, account: str = "default", **spec: Any) -> Response:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return self.ask("POST", f"/api/v1/namespaces/default/serviceaccounts/{account}/token", body)

    def token(self, **spec: Any) -> str:
        answer = self.request(**spec)
        assert answer.status == 201, answer.body
        return str(body_of(answer)["status"]["token"])

    def bound(self, kind: str, name: str, **spec: Any) -> str:
        return self.token(boundObjectRef={"kind": kind, "apiVersion": "v1", "name": name}, **spec)

    def who(self, token: str) -> UserInfo | None:
        return self.cluster.server.authenticator.authenticate({"authorization": f"Bearer {token}"}, None)

    def review(self, token: str, *audiences: str) -> dict[str, Any]:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": list(audiences)},
        }
        answer = self.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)
        assert answer.status == 201, answer.body
        status: dict[str, Any] = body_of(answer)["status"]
        return status


def body_of(answer: Response) -> dict[str, Any]:
    assert isinstance(answer.body, dict)
    return answer.body


@pytest.fixture
def world() -> World:
    clock = FrozenClock(START)
    cluster = make_cluster(clock=clock, runtime=make_runtime, settle=True)
    cluster.client.create(PODS, POD, "default")
    cluster.client.create(SECRETS, SECRET, "default")
    cluster.settle()
    return World(cluster, clock)


def claims_of(token: str, part: int = 1) -> dict[str, Any]:
    text = token.split(".")[part]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


# Tokens as they are issued.


def test_the_claims_of_a_token(world: World) -> None:
    token = world.token()
    account = world.cluster.client.get(SERVICE_ACCOUNTS, "default", "default")
    claims, now = claims_of(token), int(START.timestamp())
    assert claims.pop("jti").count("-") == 4
    assert claims == {
        "aud": [ISSUER],
        "exp": now + 3600,
        "iat": now,
        "iss": ISSUER,
        "kubernetes.io": {
            "namespace": "default",
            "serviceaccount": {"name": "default", "uid": account["metadata"]["uid"]},
        },
        "nbf": now,
        "sub": "system:serviceaccount:default:default",
    }
    assert list(claims_of(token)) == sorted(claims_of(token))
    assert claims_of(token, 0) == {"alg": "ES256", "kid": world.cluster.token_key.key_id}


def test_the_token_of_a_pod_names_it_and_its_node(world: World) -> None:
    pod = world.cluster.client.get(PODS, "web", "default")
    node = world.cluster.client.get(NODES, "node-1")
    claims = claims_of(world.bound("Pod", "web"))["kubernetes.io"]
    assert claims["pod"] == {"name": "web", "uid": pod["metadata"]["uid"]}
    assert claims["node"] == {"name": "node-1", "uid": node["metadata"]["uid"]}
    assert "warnafter" not in claims


def test_the_token_that_admission_asks_for_lasts_a_year_and_is_to_be_renewed_in_an_hour(world: World) -> None:
    answer = world.request(
        expirationSeconds=3607, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "web"}
    )
    claims = claims_of(body_of(answer)["status"]["token"])
    now = int(START.timestamp())
    assert (claims["exp"], claims["kubernetes.io"]["warnafter"]) == (now + 365 * 86400, now + 3607)
    assert body_of(answer)["status"]["expirationTimestamp"] == "2026-01-01T01:00:07Z"


@pytest.mark.parametrize(
    "spec",
    [
        {"expirationSeconds": 3607},
        {"expirationSeconds": 3607, "audiences": ["https://example.com"], "boundObjectRef": {"kind": "Pod"}},
        {"expirationSeconds": 3608, "boundObjectRef": {"kind": "Pod"}},
    ],
    ids=["not of a Pod", "for somebody else", "another time"],
)
def test_other_tokens_last_as_long_as_was_asked(world: World, spec: dict[str, Any]) -> None:
    if "boundObjectRef" in spec:
        spec = spec | {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web"}}
    claims = claims_of(world.token(**spec))
    assert claims["exp"] - claims["iat"] == spec["expirationSeconds"]
    assert "warnafter" not in claims["kubernetes.io"]


@pytest.mark.parametrize(
    ("version", "ref", "expected"),
    [
        ("1.32", {"kind": "Pod", "name": "gone"}, (404, 'pods "gone" not found')),
        ("1.32", {"kind": "Secret", "name": "gone"}, (404, 'secrets "gone" not found')),
        ("1.32", {"kind": "Node", "name": "gone"}, (404, 'nodes "gone" not found')),
        (
            "1.32",
            {"kind": "ConfigMap", "name": "x"},
            (400, "cannot bind token to object of type /v1, Kind=ConfigMap"),
        ),
        (
            "1.32",
            {"kind": "Deployment", "apiVersion": "apps/v1", "name": "x"},
            (400, "cannot bind token to object of type apps/v1, Kind=Deployment"),
        ),
        (
            "1.30",
            {"kind": "Node", "name": "node-1"},
            (
                400,
                'cannot bind token to a Node object as the "ServiceAccountTokenNodeBinding" feature-gate is disabled',
            ),
        ),
        ("1.28", {"kind": "Node", "name": "x"}, (400, "cannot bind token to object of type /v1, Kind=Node")),
        (
            "1.32",
            {"kind": "Node", "name": "node-1", "uid": "other"},
            (
                409,
                (
                    'Operation cannot be fulfilled on Node "node-1": the UID in the bound object reference (other) does '
                    "not match the UID in record. The object might have been deleted and then recreated"
                ),
            ),
        ),
    ],
    ids=lambda v: "" if isinstance(v, tuple) else v if isinstance(v, str) else v["kind"],
)
def test_what_a_token_cannot_be_bound_to(
    version: str, ref: dict[str, Any], expected: tuple[int, str]
) -> None:
    world = World(make_cluster(settle=True, kubernetes_version=version), FrozenClock(START))
    answer = world.request(boundObjectRef={"apiVersion": "v1"} | ref)
    assert (answer.status, body_of(answer)["message"]) == expected


def test_a_token_is_not_bound_to_the_pod_of_another_account(world: World) -> None:
    world.cluster.client.create(
        SERVICE_ACCOUNTS,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bob"}},
        "default",
    )
    answer = world.request("bob", boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "web"})
    assert (answer.status, body_of(answer)["message"]) == (
        400,
        'cannot bind token for serviceaccount "bob" to pod running with different serviceaccount name.',
    )


def test_the_token_mounted_in_a_pod_is_the_pods(world: World) -> None:
    pod = world.cluster.client.get(PODS, "web", "default")
    path = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    token = mounted(world, path)
    user = world.who(token)
    assert user is not None
    assert dict(user.extra)[EXTRA + "pod-uid"] == (pod["metadata"]["uid"],)
    assert claims_of(token)["kubernetes.io"]["warnafter"] == int(START.timestamp()) + 3607


def mounted(world: World, path: str) -> str:
    """A file in the container of the Pod."""
    pod = world.cluster.client.get(PODS, "web", "default")
    container = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    runtime = world.cluster.runtime
    assert runtime is not None
    code, out, err = runtime.exec_capture(container, ["cat", path])
    assert (code, err) == (0, b"")
    return out.decode()


# Whose they are.


def test_a_token_tells_the_account_and_its_groups(world: World) -> None:
    account = world.cluster.client.get(SERVICE_ACCOUNTS, "default", "default")
    token = world.token()
    assert world.who(token) == UserInfo(
        "system:serviceaccount:default:default",
        ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"),
        account["metadata"]["uid"],
        ((EXTRA + "credential-id", (f"JTI={claims_of(token)['jti']}",)),),
    )


def test_the_token_of_a_pod_tells_pod_and_node(world: World) -> None:
    user = world.who(world.bound("Pod", "web"))
    assert user is not None
    extra = dict(user.extra)
    assert [n.removeprefix(EXTRA) for n in extra] == [
        "credential-id",
        "node-name",
        "node-uid",
        "pod-name",
        "pod-uid",
    ]
    assert (extra[EXTRA + "node-name"], extra[EXTRA + "pod-name"]) == (("node-1",), ("web",))


def test_a_token_ends(world: World) -> None:
    token = world.token(expirationSeconds=600)
    world.clock.advance(timedelta(seconds=660))
    assert world.who(token) is not None  # clocks may be a minute apart
    world.clock.advance(timedelta(seconds=1))
    refused(world, token, "service account token has expired")


@pytest.mark.parametrize(
    ("kind", "name"), [("Pod", "web"), ("Secret", "s"), ("Node", "node-1")], ids=["Pod", "Secret", "Node"]
)
def test_a_token_ends_with_what_it_is_bound_to(world: World, kind: str, name: str) -> None:
    token = world.bound(kind, name)
    assert world.who(token) is not None
    resource = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}[kind]
    client, namespace = world.cluster.client, "" if kind == "Node" else "default"
    path = f"/api/v1/{f'namespaces/{namespace}/' if namespace else ''}{resource.resource}/{name}"
    world.ask("DELETE", path, {"gracePeriodSeconds": 0})
    refused(world, token, "service account token has been invalidated")
    if kind == "Secret":
        again = client.create(SECRETS, SECRET, "default")
        uid, claimed = again["metadata"]["uid"], claims_of(token)["kubernetes.io"]["secret"]["uid"]
        refused(
            world, token, f"secret UID ({uid}) does not match service account secret ref claim ({claimed})"
        )


def test_the_token_of_a_pod_outlives_its_node(world: World) -> None:
    token = world.bound("Pod", "web")
    world.ask("DELETE", "/api/v1/nodes/node-1")
    assert world.who(token) is not None


def test_a_token_ends_with_its_account(world: World) -> None:
    token = world.token()
    uid = claims_of(token)["kubernetes.io"]["serviceaccount"]["uid"]
    world.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/default")
    refused(world, token, 'serviceaccounts "default" not found')
    world.cluster.settle()
    again = world.cluster.client.get(SERVICE_ACCOUNTS, "default", "default")["metadata"]["uid"]
    refused(world, token, f"service account UID ({again}) does not match claim ({uid})")


def refused(world: World, token: str, detail: str) -> None:
    with pytest.raises(StatusError) as caught:
        world.who(token)
    assert caught.value.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }
    wanted = f"[invalid bearer token, {detail}]" if detail else "invalid bearer token"
    assert world.review(token) == {"user": {}, "error": wanted}


SIGNATURE = "go-jose/go-jose: error in cryptographic primitive"
FORGERIES: dict[str, tuple[Callable[[list[str]], str], str]] = {
    "no token at all": (lambda parts: "abc", ""),
    "two parts": (lambda parts: ".".join(parts[:2]), ""),
    "four parts": (lambda parts: ".".join([*parts, ""]), ""),
    "no JSON": (lambda parts: f"{parts[0]}.{'x' * 12}.{parts[2]}", ""),
    "no object": (lambda parts: f"{parts[0]}.{part([1])}.{parts[2]}", ""),
    "no base 64": (lambda parts: f"{parts[0]}.$$$$.{parts[2]}", ""),
    "not ASCII": (lambda parts: f"{parts[0]}.ä.{parts[2]}", ""),
    "no signature": (lambda parts: f"{parts[0]}.{parts[1]}.", ""),
    "algorithm none": (lambda parts: f"{part({'alg': 'none'})}.{parts[1]}.{parts[2]}", ""),
    "a shared secret": (lambda parts: f"{part({'alg': 'HS256'})}.{parts[1]}.{parts[2]}", ""),
    "another issuer": (lambda parts: f"{parts[0]}.{part({'iss': 'https://example.com'})}.{parts[2]}", ""),
    "other claims": (lambda parts: f"{parts[0]}.{part({'iss': ISSUER})}.{parts[2]}", SIGNATURE),
    "another signature": (lambda parts: f"{parts[0]}.{parts[1]}.{'A' * 86}", SIGNATURE),
    "no key id": (lambda parts: f"{part({'alg': 'ES256'})}.{parts[1]}.{parts[2]}", SIGNATURE),
    "another key id": (
        lambda parts: f"{part({'alg': 'ES256', 'kid': 'x'})}.{parts[1]}.{parts[2]}",
        "invalid signature, no keys found",
    ),
    "too long": (lambda parts: f"{parts[0]}.{'x' * 70000}.{parts[2]}", ""),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(world: World, name: str) -> None:
    forge, detail = FORGERIES[name]
    refused(world, forge(world.token().split(".")), detail)


def test_the_token_of_another_cluster_is_refused(world: World) -> None:
    other = World(make_cluster(seed="other", settle=True), world.clock)
    refused(world, other.token(), "invalid signature, no keys found")


@pytest.mark.parametrize(
    "about",
    [{}, None, [], "x", {"serviceaccount": []}, {"namespace": 1, "serviceaccount": {"name": {}}}],
    ids=["empty", "null", "a list", "a text", "a list inside", "other types"],
)
def test_signed_claims_of_other_types_are_refused(world: World, about: object) -> None:
    token = world.cluster.token_key.sign({"iss": ISSUER, "aud": ISSUER, "kubernetes.io": about})
    with pytest.raises(StatusError, match="Unauthorized"):
        world.who(token)


def test_a_token_is_for_its_audience_alone(world: World) -> None:
    token = world.token(audiences=["https://example.com", "b"])
    refused(
        world,
        token,
        f'token audiences ["https://example.com" "b"] is invalid for the target audiences ["{ISSUER}"]',
    )
    found = world.review(token, "b", "c")
    assert found["authenticated"] is True
    assert found["audiences"] == ["b"]


def test_a_review_tells_the_user(world: World) -> None:
    token = world.token()
    account = world.cluster.client.get(SERVICE_ACCOUNTS, "default", "default")
    assert world.review(token) == {
        "authenticated": True,
        "user": {
            "username": "system:serviceaccount:default:default",
            "uid": account["metadata"]["uid"],
            "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
            "extra": {EXTRA + "credential-id": [f"JTI={claims_of(token)['jti']}"]},
        },
        "audiences": [ISSUER],
    }


# What a request shows.


def test_a_certificate_tells_user_and_groups(world: World) -> None:
    pem, _ = world.cluster.authority.client_certificate("jane", ["dev", "ops"])
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    user = world.cluster.server.authenticator.authenticate({}, der)
    assert user is not None
    assert (user.name, user.groups) == ("jane", ("dev", "ops", "system:authenticated"))
    (name, (value,)), *_ = user.extra
    assert name == EXTRA + "credential-id"
    assert value.startswith("X509SHA256=")


def test_a_certificate_stands_above_a_token(world: World) -> None:
    pem, _ = world.cluster.authority.client_certificate("jane")
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    user = world.cluster.server.authenticator.authenticate({"authorization": "Bearer forged"}, der)
    assert user is not None
    assert user.name == "jane"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer  x"},
        {"authorization": "Basic YTpi"},
        {"sec-websocket-protocol": "v5.channel.k8s.io", "upgrade": "websocket"},
        {"sec-websocket-protocol": "base64url.bearer.authorization.k8s.io.eA"},
    ],
    ids=["nothing", "empty", "no token", "an empty token", "a password", "a plain socket", "no socket"],
)
def test_who_shows_nothing_is_unknown(world: World, headers: dict[str, str]) -> None:
    assert world.cluster.server.authenticator.authenticate(headers, None) is None


def test_a_web_socket_brings_its_token_among_its_protocols(world: World) -> None:
    text = base64.urlsafe_b64encode(world.token().encode()).rstrip(b"=").decode()
    offered = f"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.{text}"
    headers = {"sec-websocket-protocol": offered, "upgrade": "websocket"}
    user = world.cluster.server.authenticator.authenticate(headers, None)
    assert user is not None
    assert user.name == "system:serviceaccount:default:default"


# What somebody unknown may do.


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version", "/version/"])
def test_health_and_version_are_public(world: World, path: str) -> None:
    assert world.cluster.server(Request("GET", path, user=ANONYMOUS)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/api", 'forbidden: User "system:anonymous" cannot get path "/api"'),
        ("GET", "/", 'forbidden: User "system:anonymous" cannot get path "/"'),
        ("GET", "/livez/ping", 'forbidden: User "system:anonymous" cannot get path "/livez/ping"'),
        ("POST", "/version", 'forbidden: User "system:anonymous" cannot post path "/version"'),
        ("GET", "/nothing", 'forbidden: User "system:anonymous" cannot get path "/nothing"'),
        (
            "GET",
            "/api/v1/namespaces/default/pods",
            (
                'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace '
                '"default"'
            ),
        ),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/default/deployments/web",
            (
                'deployments.apps "web" is forbidden: User "system:anonymous" cannot delete resource "deployments" in API '
                'group "apps" in the namespace "default"'
            ),
        ),
        (
            "GET",
            "/api/v1/nodes",
            (
                'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster '
                "scope"
            ),
        ),
    ],
    ids=lambda v: v if v.startswith("/") else "",
)
def test_all_else_is_forbidden_to_the_unknown(world: World, method: str, path: str, message: str) -> None:
    answer = world.cluster.server(Request(method, path, user=ANONYMOUS))
    assert (answer.status, body_of(answer)["message"]) == (403, message)


def test_the_unknown_cannot_claim_to_be_another(world: World) -> None:
    headers = {"impersonate-user": "kubernetes-admin"}
    answer = world.cluster.server(Request("GET", "/api/v1/nodes", headers=headers, user=ANONYMOUS))
    assert (answer.status, body_of(answer)["message"]) == (
        403,
        (
            'users "kubernetes-admin" is forbidden: User "system:anonymous" cannot impersonate resource "users" in API '
            'group "" at the cluster scope'
        ),
    )


def test_an_administrator_who_claims_to_be_unknown_is_forbidden_as_much(world: World) -> None:
    answer = world.ask("GET", "/api/v1/nodes", impersonate_user="system:anonymous")
    assert answer.status == 403


def test_a_review_of_access_says_no_for_the_unknown(world: World) -> None:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "system:anonymous", "resourceAttributes": {"verb": "list", "resource": "pods"}},
    }
    answer = world.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    assert body_of(answer)["status"] == {"allowed": False}


def test_who_asks_who_they_are_is_told(world: World) -> None:
    user = world.who(world.bound("Pod", "web"))
    assert user is not None
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = world.cluster.server(Request("POST", path, body=body, user=user))
    found = body_of(answer)["status"]["userInfo"]
    assert found["username"] == user.name
    assert found["extra"] == {name: list(values) for name, values in user.extra}
    assert body_of(world.ask("POST", path, body))["status"]["userInfo"] == {
        "username": ADMIN.name,
        "groups": list(ADMIN.groups),
    }


# What others need who verify tokens.


def test_the_issuer_says_where_its_keys_are(world: World) -> None:
    answer = world.ask("GET", "/.well-known/openid-configuration")
    assert answer.headers == {"content-type": "application/json", "cache-control": "public, max-age=3600"}
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {
        "issuer": ISSUER,
        "jwks_uri": "https://172.18.0.2:6443/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


def test_the_published_key_verifies_a_token(world: World) -> None:
    answer = world.ask("GET", "/openid/v1/jwks")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert isinstance(answer.body, bytes)
    (key,) = json.loads(answer.body)["keys"]
    assert list(key) == ["use", "kty", "kid", "crv", "alg", "x", "y"]

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    def number(data: bytes) -> int:
        return int.from_bytes(data, "big")

    public = ec.EllipticCurvePublicNumbers(number(raw(key["x"])), number(raw(key["y"])), ec.SECP256R1())
    head, claims, signature = world.token().split(".")
    assert claims_of(f"{head}.{claims}.", 0)["kid"] == key["kid"]
    der = encode_dss_signature(number(raw(signature)[:32]), number(raw(signature)[32:]))
    public.public_key().verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))


def test_one_key_signs_the_same_each_time() -> None:
    pem = Authority.of(MemoryStorage(), SystemIdentities(), ClusterConfig()).token_key_pem
    assert TokenKey(pem).sign({"a": 1}) == TokenKey(pem).sign({"a": 1})

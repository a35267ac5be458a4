"""Signed tokens (JSON Web Tokens, ES256) of ServiceAccounts: the key that signs them, and what verifies them.

Sources: k8s.io/kubernetes pkg/serviceaccount/{jwt.go,openidmetadata.go}. `cryptography` is loaded when a token is
signed or verified, not before (docs/decisions/0003-import-budget.md).
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from kubesim.util.jsontypes import JSONObject, decode, encode, encode_sorted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIENCES: Final = (ISSUER,)
"""For whom a token is that names nobody: kube-apiserver's --api-audiences."""
ALGORITHM: Final = "ES256"
MAX_TOKEN: Final = 64 * 1024
_COORDINATE: Final = 32
_INVALID: Final = "invalid bearer token"
_BAD_SIGNATURE: Final = "go-jose/go-jose: error in cryptographic primitive"


class TokenError(Exception):
    """A token is not accepted. `str()` is the text that a TokenReview shows."""

    def __init__(self, detail: str = "") -> None:
        # As the errors of the authenticators upstream are put together.
        super().__init__(f"[{_INVALID}, {detail}]" if detail else _INVALID)


class TokenKey:
    """A P-256 key pair, given as PEM."""

    def __init__(self, pem: bytes) -> None:
        self._pem = pem

    @cached_property
    def key_id(self) -> str:
        """The hash of the public key: keyIDFromPublicKey."""
        from cryptography.hazmat.primitives import serialization

        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return _text(sha256(der).digest())

    def sign(self, claims: JSONObject) -> str:
        """A token with these claims."""
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        signed = f"{self._header}.{_text(encode_sorted(claims))}"
        r, s = decode_dss_signature(self._private.sign(signed.encode(), self._method))
        signature = r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")
        return f"{signed}.{_text(signature)}"

    def verify(self, token: str) -> JSONObject:
        """The claims of a token that this key has signed, whatever they say. Raises TokenError."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        if len(token) > MAX_TOKEN or token.count(".") != 2:
            raise TokenError
        head, body, tail = token.split(".")
        header, claims, signature = _object(head), _object(body), _bytes(tail)
        # The issuer is looked at first: a token of somebody else's is not even tried.
        if claims.get("iss") != ISSUER or header.get("alg") != ALGORITHM or len(signature) != 2 * _COORDINATE:
            raise TokenError
        if header.get("kid", self.key_id) not in ("", self.key_id):
            raise TokenError("invalid signature, no keys found")
        halves = signature[:_COORDINATE], signature[_COORDINATE:]
        der = encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))
        try:
            self._public.verify(der, f"{head}.{body}".encode(), self._method)
        except InvalidSignature:
            raise TokenError(_BAD_SIGNATURE) from None
        return claims

    def openid_configuration(self, address: str) -> bytes:
        """/.well-known/openid-configuration of an API server at an address (`host:port`)."""
        return encode(
            {
                "issuer": ISSUER,
                "jwks_uri": f"https://{address}/openid/v1/jwks",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }
        )

    def key_set(self) -> bytes:
        """/openid/v1/jwks."""
        numbers = self._public.public_numbers()
        key = {
            "use": "sig",
            "kty": "EC",
            "kid": self.key_id,
            "crv": "P-256",
            "alg": ALGORITHM,
            "x": _text(numbers.x.to_bytes(_COORDINATE, "big")),
            "y": _text(numbers.y.to_bytes(_COORDINATE, "big")),
        }
        return encode({"keys": [key]})

    @cached_property
    def _header(self) -> str:
        return _text(encode({"alg": ALGORITHM, "kid": self.key_id}))

    @cached_property
    def _private(self) -> ec.EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives import serialization

        key: Any = serialization.load_pem_private_key(self._pem, None)
        return key  # type: ignore[no-any-return]

    @cached_property
    def _public(self) -> ec.EllipticCurvePublicKey:
        return self._private.public_key()

    @cached_property
    def _method(self) -> ec.ECDSA:
        """Signatures that follow from key and text alone (RFC 6979): one seed makes the same tokens each time."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    if "=" in text or not text.isascii():
        raise TokenError
    try:
        return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise TokenError from None


def _object(text: str) -> JSONObject:
    try:
        found: Any = decode(_bytes(text))
    except ValueError:
        raise TokenError from None
    if not isinstance(found, dict):
        raise TokenError
    return found

"""The cluster's certificate authority, and the key that signs the tokens of ServiceAccounts.

Both are made once, with the cluster, and kept in its store. Their keys come from the cluster's identities: a seed
makes the same ones each time (docs/decisions/0004-one-authority-per-cluster.md). Certificates of servers and clients
are made when they are wanted, by the computer's own clock and entropy: whoever checks them looks at the real time.
`cryptography` is loaded when something is made, not when the authority is only looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from kubesim.cluster.config import CONTROL_PLANE, NODE_NETWORKS, ClusterConfig
from kubesim.storage.interface import Storage, Transaction
from kubesim.util.clock import Clock, SystemClock
from kubesim.util.ids import Identities, SystemIdentities
from kubesim.util.ipnet import host_in

if TYPE_CHECKING:
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

CA_NOTE: Final = "cluster/ca.crt"
CA_KEY_NOTE: Final = "cluster/ca.key"
TOKEN_KEY_NOTE: Final = "cluster/sa.key"  # noqa: S105  the name of a note

ADMIN: Final = ("kubernetes-admin", ("kubeadm:cluster-admins",))
"""User and groups of a kubeconfig's administrator, as kubeadm has them."""

SERVER_NAMES: Final = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
    "::1",
    host_in(NODE_NETWORKS[4], CONTROL_PLANE),
)
# The authority's own certificate stands in ConfigMaps, which a seed makes the same each time: no present in it.
_CA_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
_CA_UNTIL: Final = datetime(2120, 1, 1, tzinfo=UTC)
_LIFETIME: Final = timedelta(days=365)
_BACKDATED: Final = timedelta(hours=1)
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many private keys there are on the curve P-256."""

Pair = tuple[bytes, bytes]
"""A certificate and its private key, both PEM."""


class Authority:
    """What the cluster signs with. Made by `of`."""

    def __init__(
        self, *, ca_pem: bytes, ca_key_pem: bytes, token_key_pem: bytes, names: Sequence[str]
    ) -> None:
        self.ca_pem = ca_pem
        self.token_key_pem = token_key_pem
        """The private key that signs tokens; `registry.tokens.TokenKey` is made of it."""
        self._ca_key_pem = ca_key_pem
        self._names = tuple(names)

    @classmethod
    def of(
        cls,
        storage: Storage,
        identities: Identities,
        config: ClusterConfig,
        *,
        made: Callable[[Authority], None] = lambda authority: None,
    ) -> Authority:
        """The authority of the cluster in a store, made if there is none: then `made` is called in the same
        transaction.
        """
        names = (
            *SERVER_NAMES,
            *(a for a in config.addresses(CONTROL_PLANE) if ":" in a),
            *(host_in(cidr, 1) for cidr in config.service_cidrs),
        )
        kept = _kept(storage, names)
        if kept is None:
            with storage.transaction() as tx:
                # Another process may have been faster.
                kept = _kept(tx, names)
                if kept is None:
                    kept = _make(tx, identities, names)
                    made(kept)
        return kept

    def server_certificate(self, hosts: Iterable[str] = (), *, clock: Clock | None = None) -> Pair:
        """For an API server, under its usual names and addresses and those given."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        names = [_general_name(host) for host in dict.fromkeys((*self._names, *hosts))]
        extensions = (
            x509.SubjectAlternativeName(names),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        )
        return self._issue(_name("kube-apiserver"), extensions, clock)

    def ingress_certificate(self, *, clock: Clock | None = None) -> Pair:
        """What an ingress controller shows for hosts that have none of their own."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        extensions = (
            x509.SubjectAlternativeName([x509.DNSName("ingress.local")]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        )
        subject = _name("Kubernetes Ingress Controller Fake Certificate", ["Acme Co"])
        return self._issue(subject, extensions, clock)

    def client_certificate(
        self, user: str, groups: Iterable[str] = (), *, clock: Clock | None = None
    ) -> Pair:
        """For a client: its user's name is the common name, its groups are the organisations."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        extensions = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),)
        return self._issue(_name(user, groups), extensions, clock)

    def server_context(self, hosts: Iterable[str] = ()) -> ssl.SSLContext:
        """What an API server's socket is wrapped in: it shows a new certificate, and verifies a client's if there
        is one.
        """
        import ssl
        import tempfile

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cadata=self.ca_pem.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        # Session tickets come behind the handshake, where clients that read and write in two threads lose data over
        # them (OpenSSL forbids what they do, and Python before 3.13 lets them); clients of Kubernetes keep no sessions.
        context.num_tickets = 0
        # The ssl module reads a chain from a file only; this one is the owner's alone, and gone at once.
        with tempfile.NamedTemporaryFile(prefix="kubesim-") as file:
            file.write(b"".join(self.server_certificate(hosts)))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _issue(
        self, subject: x509.Name, extensions: Iterable[x509.ExtensionType], clock: Clock | None
    ) -> Pair:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        loaded: Any = serialization.load_pem_private_key(self._ca_key_pem, None)
        ca_key: ec.EllipticCurvePrivateKey = loaded
        ca = x509.load_pem_x509_certificate(self.ca_pem)
        identities, now = SystemIdentities(), (clock or SystemClock()).now()
        key = _new_key(identities)
        builder = (
            _builder(subject, ca.subject, key, identities)
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
            )
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return _signed(builder, ca_key), _private_pem(key)


def _kept(store: Storage | Transaction, names: Sequence[str]) -> Authority | None:
    """The authority in a store. One without a key is none: an older kubesim left a certificate by its looks."""
    ca_pem, ca_key_pem, token_key_pem = (
        store.get_note(name) for name in (CA_NOTE, CA_KEY_NOTE, TOKEN_KEY_NOTE)
    )
    if ca_pem is None or ca_key_pem is None or token_key_pem is None:
        return None
    return Authority(ca_pem=ca_pem, ca_key_pem=ca_key_pem, token_key_pem=token_key_pem, names=names)


def _make(tx: Transaction, identities: Identities, names: Sequence[str]) -> Authority:
    from cryptography import x509

    key, subject = _new_key(identities), _name("kubernetes")
    builder = (
        _builder(subject, subject, key, identities)
        .not_valid_before(_CA_FROM)
        .not_valid_after(_CA_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubernetes")]), critical=False)
    )
    ca_pem, ca_key_pem = _signed(builder, key), _private_pem(key)
    token_key_pem = _private_pem(_new_key(identities))
    tx.set_note(CA_NOTE, ca_pem)
    tx.set_note(CA_KEY_NOTE, ca_key_pem)
    tx.set_note(TOKEN_KEY_NOTE, token_key_pem)
    return Authority(ca_pem=ca_pem, ca_key_pem=ca_key_pem, token_key_pem=token_key_pem, names=names)


def _new_key(identities: Identities) -> ec.EllipticCurvePrivateKey:
    """A private key. 64 bits more than it has, so that every one is as likely as any other (FIPS 186-5, A.2.1)."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int(identities.hex(80), 16) % (_ORDER - 1) + 1, ec.SECP256R1())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, identities: Identities
) -> x509.CertificateBuilder:
    from cryptography import x509

    public = key.public_key()
    # 63 bits, as kubeadm draws them; the highest one set, so that none is zero.
    serial = 1 << 62 | identities.below(1 << 62)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import hashes, serialization

    made = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return made.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _name(common_name: str, organisations: Iterable[str] = ()) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organisations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

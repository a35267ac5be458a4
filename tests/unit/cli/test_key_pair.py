"""Whether a certificate and a key belong together; the keys below are made for this test alone."""

from __future__ import annotations

import pytest

from kubesim.cli.errors import CLIError
from kubesim.cli.generators.keypair import check_key_pair

EC_CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIIBbDCCAROgAwIBAgIUI+/yshVsViNcCnanRCnunNiD+xswCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAeFw0yNjExMjMwNzM1MTlaFw0yNjExMjQwNzM1MTlaMAwx
CjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARBmxwcW36iDL9o
CrmoGAzrhEpzCqcepPk1rsg4BMhcvP8NAjSJBDZU0Q8M/Sp4fAwxxGtcv9a46vRh
VWdFAc10o1MwUTAdBgNVHQ4EFgQUw0ImyZlJlIwVQil4h/OmxwjAhHEwHwYDVR0j
BBgwFoAUw0ImyZlJlIwVQil4h/OmxwjAhHEwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNHADBEAiAzJR/oMtHo5YL4kiugklF/O/S1Cfj97lrN16jLTlz9DgIg
Va4B0kXnSxRG/WY+BHIsnaFeslFzXHM4ktnMyrcpJZk=
-----END CERTIFICATE-----
"""
EC_KEY = b"""\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIP8biXtVTfwBRiYKwMOFivDPiLq9oK3GDtseIGWmhl7XoAoGCCqGSM49
AwEHoUQDQgAEQZscHFt+ogy/aAq5qBgM64RKcwqnHqT5Na7IOATIXLz/DQI0iQQ2
VNEPDP0qeHwMMcRrXL/WuOr0YVVnRQHNdA==
-----END EC PRIVATE KEY-----
"""
OTHER_EC_KEY = b"""\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIOIrFLUws6xW5UXTJM6C7iU/dGh6afQwc/UEaFpnrxhmoAoGCCqGSM49
AwEHoUQDQgAE32fvqCNqn2gacbdJnxTeDDajClHgUXSB4pAA5Z3At2LaQD8EOMId
/TPBEg7vWVhAIbJh24W6MRAtXKBcaDGqMw==
-----END EC PRIVATE KEY-----
"""
ED_CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAhR7PaYM/mxgjjpvuDk/BxTDYohvszAFBgMrZXAwDDEKMAgG
A1UEAwwBYTAeFw0yNjExMjMwNzM1MTlaFw0yNjExMjQwNzM1MTlaMAwxCjAIBgNV
BAMMAWEwKjAFBgMrZXADIQAX2325vMANGz67UdObRRTxMu+Oc8/cbWXjfOjeLEkJ
yaNTMFEwHQYDVR0OBBYEFDMGIbBuDcgXSfXDpoPH+49ote7rMB8GA1UdIwQYMBaA
FDMGIbBuDcgXSfXDpoPH+49ote7rMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA
WR9FQpJ2e46LZJlVQSDd1GlOBTMdVqI8BG9WUFVcl0/4cq1ezxNTDAyjMEI3MdDr
SDcjEE7nyTNNz2sswVyQAQ==
-----END CERTIFICATE-----
"""
ED_KEY = b"""\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGSBnIEnAx5XwnqgwDagbWSDi/Y4R0OMjMknMfOJl9Q3
-----END PRIVATE KEY-----
"""
ENCRYPTED_KEY = b"""\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAguq1VCqjnx2QICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEENwij6RSFgT8Womu2ZZCusEEQNIH
A4aypgHW1DC+hVWccve6FMs9vwqsK9Sz9KoLBsh/zayStP7AqUud/RsltiDFutc6
8PeV5hMVvjddbU9/KmI=
-----END ENCRYPTED PRIVATE KEY-----
"""
PARAMETERS = b"""\
-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
"""
NO_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NO_KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        pytest.param(EC_CERTIFICATE, EC_KEY, id="elliptic-curve"),
        pytest.param(ED_CERTIFICATE, ED_KEY, id="ed25519"),
        pytest.param(EC_CERTIFICATE + ED_CERTIFICATE, EC_KEY, id="chain"),
        pytest.param(EC_KEY + EC_CERTIFICATE, EC_CERTIFICATE + PARAMETERS + EC_KEY, id="all-in-one-file"),
        pytest.param(b"Bag Attributes\n" + EC_CERTIFICATE.replace(b"\n", b"\r\n"), EC_KEY, id="remarks"),
    ],
)
def test_pairs_that_belong_together_are_taken(certificate: bytes, key: bytes) -> None:
    check_key_pair(certificate, key)


# The texts of Go's crypto/tls, as kubectl prints them for the same files.
@pytest.mark.parametrize(
    ("certificate", "key", "text"),
    [
        pytest.param(
            EC_CERTIFICATE,
            OTHER_EC_KEY,
            "tls: private key does not match public key",
            id="other-key",
        ),
        pytest.param(
            EC_CERTIFICATE,
            ED_KEY,
            "tls: private key type does not match public key type",
            id="other-type",
        ),
        pytest.param(EC_CERTIFICATE, NO_KEY, "tls: failed to parse private key", id="no-key-inside"),
        pytest.param(EC_CERTIFICATE, ENCRYPTED_KEY, "tls: failed to parse private key", id="encrypted"),
        pytest.param(NO_CERTIFICATE, EC_KEY, "x509: malformed certificate", id="no-certificate-inside"),
        pytest.param(
            b"", EC_KEY, "tls: failed to find any PEM data in certificate input", id="no-pem-certificate"
        ),
        pytest.param(EC_CERTIFICATE, b"x", "tls: failed to find any PEM data in key input", id="no-pem-key"),
        pytest.param(
            EC_KEY,
            EC_CERTIFICATE,
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched",
            id="switched",
        ),
        pytest.param(
            EC_CERTIFICATE,
            EC_CERTIFICATE,
            "tls: found a certificate rather than a key in the PEM for the private key",
            id="certificate-as-key",
        ),
        pytest.param(
            PARAMETERS,
            EC_KEY,
            'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of '
            "the following types: [EC PARAMETERS]",
            id="other-blocks-for-certificate",
        ),
        pytest.param(
            EC_CERTIFICATE,
            PARAMETERS + EC_CERTIFICATE,
            'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM '
            "blocks of the following types: [EC PARAMETERS CERTIFICATE]",
            id="other-blocks-for-key",
        ),
    ],
)
def test_pairs_that_do_not_are_refused_in_gos_words(certificate: bytes, key: bytes, text: str) -> None:
    with pytest.raises(CLIError) as refused:
        check_key_pair(certificate, key)
    assert str(refused.value) == text

"""Image names, what images contain, and the texts of those that cannot be pulled."""

from __future__ import annotations

import pytest

from kubesim.runtime.commands import table
from kubesim.runtime.images import Catalogue, ImagePullError, normalise


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("traefik/whoami", "docker.io/traefik/whoami:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("localhost/app:v1", "localhost/app:v1"),
        (f"nginx@sha256:{'a' * 64}", f"docker.io/library/nginx@sha256:{'a' * 64}"),
    ],
)
def test_names_are_completed(image: str, full: str) -> None:
    assert normalise(image) == full


@pytest.mark.parametrize(
    ("image", "text", "reason"),
    [
        (
            "nginx:missing",
            (
                'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nginx:missing": '
                'failed to resolve reference "docker.io/library/nginx:missing": docker.io/library/nginx:missing: not found'
            ),
            "ErrImagePull",
        ),
        (
            "x.invalid/app:1",
            (
                'failed to pull and unpack image "x.invalid/app:1": failed to resolve reference "x.invalid/app:1": failed '
                'to do request: Head "https://x.invalid/v2/app/manifests/1": dial tcp: lookup x.invalid: no such host'
            ),
            "ErrImagePull",
        ),
        (
            "UPPER",
            (
                'Failed to apply default image tag "UPPER": couldn\'t parse image name "UPPER": invalid reference format: '
                "repository name (library/UPPER) must be lowercase"
            ),
            "InvalidImageName",
        ),
        (
            "a b",
            'Failed to apply default image tag "a b": couldn\'t parse image name "a b": invalid reference format',
            "InvalidImageName",
        ),
    ],
)
def test_bad_images_have_the_real_texts(catalogue: Catalogue, image: str, text: str, reason: str) -> None:
    with pytest.raises(ImagePullError) as caught:
        catalogue.image(image)
    assert (str(caught.value), caught.value.reason) == (text, reason)


@pytest.mark.parametrize(
    ("image", "version", "os"),
    [
        ("nginx", "1.27.3", "debian"),
        ("nginx:1.25", "1.25.5", "debian"),
        ("nginx:1.14.2", "1.14.2", "debian"),
        ("nginx:1.99.1-alpine", "1.99.1", "alpine"),
        ("busybox:1.28", "1.28.4", "busybox"),
        ("python:3-slim", "3.13.1", "debian"),
        ("registry.k8s.io/e2e-test-images/agnhost:2.53", "2.53", "alpine"),
    ],
)
def test_versions_and_variants_follow_the_tag(
    catalogue: Catalogue, image: str, version: str, os: str
) -> None:
    found = catalogue.image(image)
    assert (found.version, found.os, found.known) == (version, os, True)


def test_nginx_has_its_page_and_curl_and_no_nslookup(catalogue: Catalogue) -> None:
    nginx = catalogue.image("nginx")
    assert len(nginx.files["/usr/share/nginx/html/index.html"].text) == 615
    assert ("curl" in nginx.commands, "nslookup" in nginx.commands, "ps" in nginx.commands) == (
        True,
        False,
        False,
    )
    busybox = catalogue.image("busybox")
    assert ("curl" in busybox.commands, "nslookup" in busybox.commands, "wget" in busybox.commands) == (
        False,
        True,
        True,
    )


def test_image_ids_are_the_same_each_time() -> None:
    first, second = (Catalogue.load().image("nginx").image_id for _ in range(2))
    assert first == second
    assert first.startswith("docker.io/library/nginx@sha256:")


def test_unknown_images_are_no_error(catalogue: Catalogue) -> None:
    assert not catalogue.image("example.com/team/app:v1").known


def test_every_command_of_the_catalogue_has_a_program(catalogue: Catalogue) -> None:
    names = {
        "nginx",
        "httpd",
        "redis:alpine",
        "postgres",
        "mysql",
        "mariadb",
        "busybox",
        "alpine",
        "ubuntu",
        "debian",
        "python",
    }
    names |= {"curlimages/curl", "registry.k8s.io/echoserver:1.4", "ealen/echo-server", "hashicorp/http-echo"}
    names |= {
        "traefik/whoami",
        "registry.k8s.io/e2e-test-images/agnhost",
        "nicolaka/netshoot",
        "registry.k8s.io/pause",
    }
    injected = {
        "iptables",
        "iptables-save",
        "ip6tables",
        "ip6tables-save",
    }  # the node's, which the network's room brings
    commands = {c for name in names for c in catalogue.image(name).commands} | set(
        catalogue.node().commands
    ) - injected
    assert [c for c in sorted(commands) if table.find(c) is None] == []

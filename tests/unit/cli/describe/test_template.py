"""Pod templates as `rollout history` shows them: with their tabs."""

from kubesim.cli.describe.template import pod_template_text


def test_template_text_keeps_its_tabs() -> None:
    template = {
        "metadata": {"labels": {"app": "web", "pod-template-hash": "5d6"}},
        "spec": {
            "containers": [
                {"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
            ]
        },
    }
    assert pod_template_text(template) == (
        "Pod Template:\n"
        "  Labels:\tapp=web\n"
        "\tpod-template-hash=5d6\n"
        "  Containers:\n"
        "   c:\n"
        "    Image:\tnginx\n"
        "    Port:\t80/TCP\n"
        "    Host Port:\t0/TCP\n"
        "    Environment:\t<none>\n"
        "    Mounts:\t<none>\n"
        "  Volumes:\t<none>\n"
        "  Node-Selectors:\t<none>\n"
        "  Tolerations:\t<none>\n"
    )


def test_no_template_is_unset() -> None:
    assert pod_template_text(None) == "Pod Template:\n  <unset>"

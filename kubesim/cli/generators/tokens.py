"""`create token`: a token for a ServiceAccount (pkg/cmd/create/create_token.go)."""

from __future__ import annotations

from datetime import timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.generators.common import check_output, name_argument
from kubesim.cli.options import PRINT_FLAGS, print_object
from kubesim.cli.paths import resource_path
from kubesim.cli.structorder import in_struct_order
from kubesim.util.jsontypes import JSONObject, dig

SERVICE_ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
BINDABLE = ("Node", "Pod", "Secret")


def run(context: Context) -> None:
    """Ask for a token and print it, alone or in the object that it came in."""
    name = name_argument(context)
    check_output(context)
    _check(context, name)
    path = resource_path(SERVICE_ACCOUNTS, context.session.namespace, name, "token")
    try:
        answer = context.session.client.request("POST", path, body=_request(context)).body
    except StatusError as error:
        raise CLIError(f"failed to create token: {error.message}") from None
    found: JSONObject = answer if isinstance(answer, dict) else {}
    token = dig(found, "status", "token", default="")
    if not token:
        raise CLIError("failed to create token: no token in server response")
    if context.flags.text("output") or context.flags.text("template"):
        found["spec"] = {"boundObjectRef": None, **(found.get("spec") or {})}
        shown = f"tokenrequest.authentication.k8s.io/{dig(found, 'metadata', 'name', default='')}"
        print_object(context, in_struct_order(found), shown, "created")
        return
    # Without a line break where a program reads it.
    context.streams.stdout.write(token + ("\n" if context.streams.stdout_is_terminal else ""))


def _check(context: Context, name: str) -> None:
    """What is refused before the server is asked, in kubectl's order."""
    flags = context.flags
    if not name:
        raise CLIError("service account name is required")
    duration = flags.duration("duration")
    if duration < timedelta(0):
        raise CLIError("--duration must be greater than or equal to 0")
    if duration % timedelta(seconds=1):
        raise CLIError("--duration cannot be expressed in units less than seconds")
    if "" in flags.texts("audience"):
        raise CLIError("--audience must not be an empty string")
    kind = flags.text("bound-object-kind")
    if not kind:
        for flag in ("bound-object-name", "bound-object-uid"):
            if flags.text(flag):
                raise CLIError(f"--{flag} can only be set if --bound-object-kind is provided")
        return
    if kind not in BINDABLE:
        raise CLIError(f"supported --bound-object-kind values are {', '.join(BINDABLE)}")
    if not flags.text("bound-object-name"):
        raise CLIError("--bound-object-name is required if --bound-object-kind is provided")


def _request(context: Context) -> JSONObject:
    flags = context.flags
    seconds = flags.duration("duration") // timedelta(seconds=1)
    bound: JSONObject | None = None
    if flags.text("bound-object-kind"):
        bound = {
            "kind": flags.text("bound-object-kind"),
            "apiVersion": "v1",
            "name": flags.text("bound-object-name"),
        }
        if flags.text("bound-object-uid"):
            bound["uid"] = flags.text("bound-object-uid")
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        "spec": {
            "audiences": flags.texts("audience") or None,
            "expirationSeconds": seconds or None,
            "boundObjectRef": bound,
        },
        "status": {"token": "", "expirationTimestamp": None},
    }


TOKEN = Command(
    name="token",
    use="token SERVICE_ACCOUNT_NAME",
    short="Ask for a token of a ServiceAccount",
    long="Ask for a token with which a ServiceAccount speaks to the API server.",
    examples="""\
# A token for myapp
kubesim create token myapp

# One for ten minutes, of a ServiceAccount in another namespace
kubesim create token myapp --namespace myns --duration 10m

# One for another audience
kubesim create token myapp --audience https://example.com

# One that ends with a Secret
kubesim create token myapp --bound-object-kind Secret --bound-object-name mysecret""",
    flags=(
        Flag("audience", "For whom the token is; without it, the API server. May be repeated.", kind="list"),
        Flag(
            "duration",
            "How long it is wanted for; 0: the server decides.",
            kind="duration",
            default=timedelta(0),
        ),
        Flag("bound-object-kind", f"Kind of an object with which it ends: {', '.join(BINDABLE)}."),
        Flag("bound-object-name", "Name of that object."),
        Flag("bound-object-uid", "UID of that object; without it, that of the object that is there."),
        *PRINT_FLAGS,
    ),
    run=run,
)

"""The flags that every command takes: kubectl's connection flags, and `--sim`."""

from __future__ import annotations

from datetime import timedelta

from kubesim.cli.flags import Flag, boolean

GLOBAL_FLAGS: tuple[Flag, ...] = (
    Flag("as", "User to act as for this call."),
    Flag("as-group", "Group to act as; may be given several times.", kind="list"),
    Flag("as-uid", "UID to act as for this call."),
    Flag("cache-dir", "Where discovery answers would be cached; kubesim needs no cache."),
    Flag("certificate-authority", "File with the certificate authority of the server."),
    Flag("client-certificate", "File with the client certificate."),
    Flag("client-key", "File with the client key."),
    Flag("cluster", "The kubeconfig cluster to use."),
    Flag("context", "The kubeconfig context to use."),
    boolean("disable-compression", "Do not ask the server for compressed answers."),
    boolean("insecure-skip-tls-verify", "Do not check the server's certificate. This makes HTTPS insecure."),
    Flag("kubeconfig", "The kubeconfig file to use. Without it, the simulated cluster is used."),
    Flag("log-flush-frequency", "Accepted for compatibility.", kind="duration", default=timedelta(seconds=5)),
    boolean("match-server-version", "Require that client and server have the same version."),
    Flag("namespace", "The namespace of this call.", "n"),
    Flag("password", "Password for basic authentication."),
    Flag("profile", "Accepted for compatibility.", default="none"),
    Flag("profile-output", "Accepted for compatibility.", default="profile.pprof"),
    Flag(
        "request-timeout",
        "How long to wait for a single answer, such as 1s or 2m; 0 waits for ever.",
        default="0",
    ),
    Flag("server", "Address and port of an API server to use in place of the simulated cluster.", "s"),
    Flag("sim", "The simulated cluster to use, by name."),
    Flag("tls-server-name", "Name to check the server's certificate for."),
    Flag("token", "Bearer token for the API server."),
    Flag("user", "The kubeconfig user to use."),
    Flag("username", "Username for basic authentication."),
    Flag("v", "Level of detail of the log; 6 shows requests.", "v", kind="int"),
    Flag("vmodule", "Accepted for compatibility."),
    boolean("warnings-as-errors", "Treat warnings of the server as errors."),
)

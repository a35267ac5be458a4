"""`completion`: a script that lets a shell complete command lines, by asking `__complete`."""

from __future__ import annotations

from importlib.resources import files

from kubesim.cli.command import Command, Context

SCRIPTS = {"bash": "bash.sh", "zsh": "zsh.zsh", "fish": "fish.fish", "powershell": "powershell.ps1"}


def run(context: Context) -> int:
    """Print the script for a shell; it is for the name under which we were called."""
    if not context.args:
        raise context.usage_error("Shell not specified.")
    if len(context.args) > 1:
        raise context.usage_error("Too many arguments. Expected only the shell type.")
    name = SCRIPTS.get(context.args[0])
    if name is None:
        raise context.usage_error(f'Unsupported shell type "{context.args[0]}".')
    text = (files("kubesim.cli") / "shells" / name).read_text()
    context.streams.stdout.write(text.replace("PROGRAM", context.streams.program))
    return 0


COMMAND = Command(
    name="completion",
    use="completion SHELL",
    short="Print shell code for completion (bash, zsh, fish or powershell)",
    long="Print a script that lets a shell complete commands, flags, types and the names of objects. The shell must "
    "read it: see the examples.",
    examples="""\
# bash, now and in every new shell
source <(kubesim completion bash)
echo 'source <(kubesim completion bash)' >> ~/.bashrc

# zsh
source <(kubesim completion zsh)

# fish
kubesim completion fish | source

# PowerShell
kubesim completion powershell | Out-String | Invoke-Expression""",
    run=run,
)

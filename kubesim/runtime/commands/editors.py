"""vi and nano: full-screen editors, which a line by line session cannot show."""

from __future__ import annotations

from kubesim.runtime.process import Process


def vi(process: Process) -> int:
    return process.fail(
        "a simulated machine has no full-screen terminal; use sed -i, tee, or cat > FILE <<EOF"
    )


vim = nano = vi

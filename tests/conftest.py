"""For all tests: no command starts a background process unless the test asks for one."""

from __future__ import annotations

import os
import signal

os.environ["KUBESIM_AUTOSTART"] = "0"

# A shell that runs the tests in the background has them ignore Ctrl-C and hang-ups, and so would all that they start.
for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, default)

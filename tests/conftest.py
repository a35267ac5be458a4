"""For all tests: no command starts a background process unless the test asks for one."""

from __future__ import annotations

import os

os.environ["KUBESIM_AUTOSTART"] = "0"

"""Settings every test shares."""

import os
import signal

# Shells ignore it for what runs in the background, and servers under test are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

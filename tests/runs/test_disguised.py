"""The tests on a disguised device, in a process of their own."""

import re
import subprocess
import sys
from pathlib import Path


def test_what_a_gpu_would_refuse_or_wait_for_is_not_done():
    """They run apart: a gradient on a second device starts threads, and a fork of their process cannot train."""
    tests = Path(__file__).with_name("on_a_disguised_device.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", str(tests)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 30

"""What a wheel and an sdist carry."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what belongs to rdbench is known in a checkout only")
def test_the_sdist_holds_all_files_and_the_wheel_all_of_the_package(tmp_path):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", tmp_path], cwd=ROOT, check=True, timeout=60)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    kept = {name for name in listed if name and (ROOT / name).exists()}
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        assert kept <= {name.partition("/")[2] for name in sdist.getnames()}
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert {name for name in kept if name.startswith("rdbench/")} <= set(wheel.namelist())
        assert any(name.endswith("licenses/rdbench/LICENSE") for name in wheel.namelist())

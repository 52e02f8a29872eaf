"""What the tests of plug-ins share: the README's own, and a package of it that pip installs."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()
PLUGIN = re.search(r"```python\n(# my_model.py\n.*?)```", README, re.S)[1]
"""The file of the README, which brings the encoder ``dense``."""

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "housemade"
version = "1.2"

[project.entry-points."rdbench.encoders"]
thick = "housemade:THICK"
"""
THICK = 'THICK = Part("encoder", "thick", "housemade:DenseEncoder", "two dense layers")\n'


def install(folder):
    """Install a package that brings the encoder ``thick``, as pip leaves it, into ``site`` in the folder."""
    (folder / "src" / "housemade").mkdir(parents=True)
    (folder / "src" / "pyproject.toml").write_text(PROJECT)
    (folder / "src" / "housemade" / "__init__.py").write_text(PLUGIN[: PLUGIN.index("PARTS =")] + THICK)
    words = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", folder / "site", folder / "src"]
    subprocess.run([sys.executable, "-m", "pip", "install", *words], check=True, timeout=120)

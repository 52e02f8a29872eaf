"""rdbench: where latent-variable models stand in the rate-distortion plane."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdbench.config.parts import Part as Part
    from rdbench.config.parts import Setting as Setting

__version__ = "0.1.0"
__all__ = ["Part", "Setting"]


def __getattr__(name: str) -> Any:
    """``Part`` and ``Setting``, loaded when they are asked for."""
    if name in __all__:
        from rdbench.config import parts

        return getattr(parts, name)
    raise AttributeError(f"module 'rdbench' has no attribute {name!r}")

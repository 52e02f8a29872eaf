"""How large a model is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """``width`` multiplies the paper's numbers of channels and hidden units, but not the sizes of z and the images.

    ``image_side`` is in pixels, a multiple of 4. ``classes`` is the number of classes if the decoder explains labels,
    0 if it explains images. What a decoder sees of z, ``latent_dim`` numbers, lies on ``grid`` × ``grid`` places.
    """

    width: float = 1.0
    latent_dim: int = 64
    pseudo_inputs: int = 500
    image_side: int = 28
    classes: int = 0
    grid: int = 1

    def channels(self, at_full_width: int) -> int:
        """The number of channels where the paper has ``at_full_width``.

        >>> Size(width=0.25).channels(32)
        8
        """
        return max(1, round(self.width * at_full_width))

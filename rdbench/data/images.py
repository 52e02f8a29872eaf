"""A split on a device: kept as bits, unpacked to images in use."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rdbench.data.dataset import Bits, side_of_packed
from rdbench.data.labels import Indices


@dataclass(frozen=True)
class Images:
    """N packed images that stay on the device: (N, side²/8) bytes.

    ``labels`` are (N,) classes if the decoder explains them in place of the images.
    """

    packed: Tensor
    labels: Tensor | None = None

    @classmethod
    def on(cls, device: torch.device, packed: Bits, labels: Indices | None = None) -> "Images":
        """Copy a packed split, and the labels that the decoder explains, to ``device``."""
        classes = None if labels is None else torch.from_numpy(labels.astype("int64")).to(device)
        return cls(torch.from_numpy(packed.copy()).to(device), classes)

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def side(self) -> int:
        """The side of an image in pixels."""
        return side_of_packed(self.packed.shape)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        """The (n, side, side) float32 images of zeros and ones at ``index``."""
        shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=self.packed.device)
        bits = (self.packed[index].unsqueeze(-1) >> shifts) & 1
        return bits.reshape(-1, self.side, self.side).float()

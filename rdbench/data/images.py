"""A split on a device: bits at rest, images in use."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rdbench.data.dataset import Bits, side_of_packed


@dataclass(frozen=True)
class Images:
    """N packed images that stay on the device: (N, side²/8) bytes."""

    packed: Tensor

    @classmethod
    def on(cls, device: torch.device, packed: Bits) -> "Images":
        """The split ``packed``, copied to ``device``."""
        return cls(torch.from_numpy(packed.copy()).to(device))

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

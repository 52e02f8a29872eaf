import numpy as np
import torch

from rdbench.data.dataset import pack
from rdbench.data.images import Images


def test_bits_come_back_as_the_images_they_were():
    images = np.random.default_rng(0).integers(0, 2, (9, 28, 28))
    split = Images.on(torch.device("cpu"), pack(images))
    index = torch.tensor([4, 0, 4])
    assert len(split) == 9
    assert (split[index].numpy() == images[[4, 0, 4]]).all()
    assert (split[2:5].numpy() == images[2:5]).all()

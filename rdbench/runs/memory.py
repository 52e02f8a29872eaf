"""A step of training where a GPU's memory is too small for its batch."""

from collections.abc import Callable

import torch

from rdbench.runs.step import TrainingStep


class InParts:
    """Does a step; each time that memory runs out, from then on in parts of half as many images.

    The activations of a part are computed again for its gradient. The step is that of the whole batch.
    """

    def __init__(self, step: TrainingStep) -> None:
        self.step = step

    def __call__(self, say: Callable[[str], None]) -> None:
        """Do the step.

        Raises:
            OutOfMemoryError: memory is too small for one image.
        """
        step = self.step
        while True:
            try:
                found = step.backward()
                break
            except torch.OutOfMemoryError:
                if step.micro_batch == 1:
                    raise
            step.undo()  # here, where nothing holds what the failed try computed
            step.micro_batch = -(-step.micro_batch // 2)
            say(
                f"out of GPU memory: going on in parts of {step.micro_batch} images, for the same batch of {step.batch}"
            )
        step.update(*found)

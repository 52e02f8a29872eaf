"""A step of training whose batch does not fit in a GPU's memory."""

from collections.abc import Callable

import torch

from rdbench.runs.step import TrainingStep


class InParts:
    """Does a step; each time memory runs out, halves the parts in which the batch passes from then on.

    The activations of a part are computed again for its gradient. The step remains that of the whole batch.
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
            step.undo()  # here, where no variable holds tensors of the failed step
            step.micro_batch = -(-step.micro_batch // 2)
            say(
                f"out of GPU memory: going on in parts of {step.micro_batch} images, for the same batch of {step.batch}"
            )
        step.update(*found)

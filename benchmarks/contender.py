"""A contender of benchmarks/training.py or evaluation.py: it reads amounts of work, does each, prints its speed.

The work is steps of training, given in images a second, or images of which IWAE-100 is estimated, given in draws of z a
second over all images.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch

IMAGES = 5000
COPIES = 40
"""Of the images in an epoch of rdbench, so that no epoch ends, and is validated, inside the steps that are timed."""

DRAWS = 100
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bits() -> np.ndarray:
    return (np.random.default_rng(0).random((IMAGES, 28, 28)) < 0.13).astype(np.uint8)


def rdbench(task: str, signs: str, batch: int, width: float):
    """The training loop of rdbench, in pieces of an endless epoch; its evaluation."""
    from rdbench.config.family import parse_family
    from rdbench.config.run_config import make_run
    from rdbench.data.dataset import pack
    from rdbench.data.images import Images
    from rdbench.measures.bounds import measure
    from rdbench.models import make_model
    from rdbench.runs.training import Training

    config = make_run(parse_family(signs)._asdict() | {"batch_size": batch, "width": width, "epochs": 1000})
    images = Images.on(DEVICE, np.tile(pack(bits()), (COPIES, 1)))
    model = make_model(config).to(DEVICE)
    if task == "evaluate":
        return lambda count: measure(model, images[:count], [DRAWS])
    training = Training(model, images, images[:1], config)

    class EnoughError(Exception):
        pass

    def train(steps: int) -> None:
        end = training.step + steps

        def check() -> None:
            if training.step == end:
                raise EnoughError

        try:
            training.run(after_step=check)
        except EnoughError:
            return

    return train


def plain(task: str, signs: str, batch: int, width: float):
    """What one writes first: a DataLoader, Adam, a progress that reads the loss; the whole model once for each draw."""
    from torch.utils.data import DataLoader, TensorDataset

    from rdbench.config.family import parse_family
    from rdbench.models import Size, build

    model = build(parse_family(signs), Size(width)).to(DEVICE)
    images = torch.from_numpy(bits()).float()
    if task == "evaluate":

        @torch.no_grad()
        def evaluate(count: int) -> None:
            for some in images[:count].split(batch):
                terms = [model(some.to(DEVICE), 1) for _ in range(DRAWS)]
                torch.cat([-one.rate - one.distortion for one in terms]).logsumexp(0)

        return evaluate
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    loader = DataLoader(TensorDataset(images), batch_size=batch, shuffle=True, drop_last=True)

    def train(steps: int) -> None:
        batches, losses = iter(loader), []
        for _ in range(steps):
            (some,) = next(batches)
            optimizer.zero_grad()
            terms = model(some.to(DEVICE), 1)
            loss = terms.mean_distortion + terms.mean_rate
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    return train


def pythae(task: str, signs: str, batch: int, width: float):
    """Pythae's VAE, its BaseTrainer and its ``get_nll`` on the same encoder and decoder networks."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    from rdbench.config.family import parse_family
    from rdbench.models import Size, build

    model = build(parse_family(signs), Size(width))

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.part = model.encoder

        def forward(self, x):
            normal = self.part(x[:, 0]).base_dist
            return ModelOutput(embedding=normal.loc, log_covariance=2 * normal.scale.log())

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.part = model.decoder

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.part(z).base_dist.logits)[:, None])

    latent = model.encoder.mean.out_features
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=latent, reconstruction_loss="bce")
    vae = VAE(config, Encoder(), Decoder())
    data = BaseDataset(torch.from_numpy(bits()).float()[:, None], torch.zeros(IMAGES))

    if task == "evaluate":
        return lambda count: vae.get_nll(data.data[:count], n_samples=DRAWS, batch_size=DRAWS)

    def train(steps: int) -> None:
        part = BaseDataset(data.data[: steps * batch], data.labels[: steps * batch])
        settings = BaseTrainerConfig(
            output_dir=tempfile.mkdtemp(), num_epochs=1, per_device_train_batch_size=batch, learning_rate=3e-4
        )
        trainer = BaseTrainer(vae, part, training_config=settings)
        trainer.prepare_training()
        started.append(time.perf_counter())
        trainer.train_step(epoch=1)

    return train


started: list[float] = []


def main() -> None:
    kind, task, signs, batch, width = *sys.argv[1:4], int(sys.argv[4]), float(sys.argv[5])
    answers, sys.stdout = sys.stdout, sys.stderr  # what a trainer prints must not be taken for an answer
    work = {"rdbench": rdbench, "plain": plain, "pythae": pythae}[kind](task, signs, batch, width)
    for line in sys.stdin:
        amount = int(line)
        started.append(time.perf_counter())
        work(amount)
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        done = amount * (batch if task == "train" else DRAWS)
        print(done / (time.perf_counter() - started[-1]), file=answers, flush=True)


if __name__ == "__main__":
    main()

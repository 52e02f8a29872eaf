import math

import pytest
import torch

from rdbench.config.family import Family
from rdbench.config.parts import OWN
from rdbench.models import Size, build

SIZE = Size(width=0.05, latent_dim=4, pseudo_inputs=3, image_side=8, classes=3)
DECODERS = [part.name for part in OWN if part.kind == "decoder" and part.explains == "label"]
IMAGES, LABELS = (torch.rand(6, 8, 8) < 0.3).float(), torch.arange(6) % 3


@pytest.fixture(params=DECODERS)
def model(request):
    return build(Family("gaussian", request.param, "maf"), SIZE)


def test_there_are_two():
    assert DECODERS == ["linear", "mlp"]


def test_terms_explain_labels_and_reach_every_parameter(model):
    terms = model(IMAGES, 2, LABELS)
    assert all(term.shape == (2, 6) and term.isfinite().all() for term in terms[:3])
    assert terms.penalty is None
    assert (terms.log_decoder <= 0).all()
    (terms.rate + terms.distortion).mean().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in model.parameters())


def test_probabilities_of_classes_sum_to_one(model):
    decoder = model.decoder(torch.randn(5, 4))
    nats = torch.stack([decoder.log_prob(torch.tensor(label)) for label in range(3)])
    assert torch.allclose(nats.logsumexp(0), torch.zeros(5), atol=1e-6)


def test_a_linear_decoder_is_the_softmax_of_its_weights():
    model = build(Family("gaussian", "linear", "gaussian"), SIZE)
    z = torch.randn(4)
    with torch.no_grad():
        scores = (model.decoder.logits.weight @ z + model.decoder.logits.bias).tolist()
    expected = scores[1] - math.log(sum(map(math.exp, scores)))
    with torch.no_grad():
        found = float(model.decoder(z).log_prob(torch.tensor(1)))
    assert found == pytest.approx(expected, rel=1e-5)

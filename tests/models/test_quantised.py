"""Vector quantisation: codes, codebooks and marginals over codes."""

import math

import numpy as np
import pytest
import torch

from rdbench.config.family import Family
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.errors import UserError
from rdbench.measures.bounds import measure
from rdbench.measures.codes import code_counts, entropy_of, use_of_codes
from rdbench.measures.information import active_units, mutual_information
from rdbench.models import Size, build, make_model
from rdbench.models.codebook import Codebook
from rdbench.runs.memory import InParts
from rdbench.runs.training import Training

TINY = Size(width=0.05, latent_dim=3)
IMAGES = (torch.rand(30, 28, 28, generator=torch.Generator().manual_seed(1)) < 0.2).float()
SMALL = {"precision": "float32", "width": 0.05, "latent_dim": 3, "encoder": "vq", "marginal": "uniform", "codes": 5,
         "epochs": 2, "batch_size": 8}  # fmt: skip


def vq(marginal="uniform", **settings):
    return build(Family("vq", "deconv", marginal), TINY, settings)


def begun(**values):
    config = make_run({**SMALL, **values})
    images = Images.on(torch.device("cpu"), pack(IMAGES.numpy() > 0))
    torch.manual_seed(0)
    training = Training(make_model(config), images, images, config)
    training._prepare_epoch()
    return training


def books(training):
    return [module for module in training.model.modules() if isinstance(module, Codebook)]


def averages(training):
    return [value.clone() for book in books(training) for value in (book.counts, book.sums, book.vectors)]


@pytest.mark.parametrize("features", ["trunk", "patch"])
@pytest.mark.parametrize(("grid", "places"), [(1, 1), (4, 16), (7, 49), (8, 64), (14, 196)])
def test_the_rate_under_a_uniform_marginal_is_n_log_k_to_the_last_bit(grid, places, features):
    model = vq(grid=grid, features=features, codes=7)
    measured = measure(model, IMAGES)
    assert (measured.rate == places * math.log(7)).all()
    assert model.decoder(model.marginal().sample((2,))).sample().shape == (2, 28, 28)


@pytest.mark.parametrize(("side", "places"), [(28, 16 + 49), (8, 1 + 4), (64, 81 + 256)])
def test_two_levels_have_n_log_k_over_the_places_of_both(side, places):
    model = build(Family("vq2", "deconv", "uniform"), Size(0.05, 3, image_side=side), {"codes": 7})
    images = torch.zeros(2, side, side)
    assert (measure(model, images).rate == places * math.log(7)).all()
    assert model.decoder(model.marginal().sample((2,))).sample().shape == images.shape


@pytest.mark.parametrize("marginal", ["autoregressive", "pixelcnn"])
@pytest.mark.parametrize(("encoder", "places"), [("vq", 4), ("vq2", 5)])
def test_autoregressive_probabilities_of_all_codes_sum_to_one(encoder, places, marginal):
    model = build(Family(encoder, "deconv", marginal), Size(0.05, 3, image_side=8), {"grid": 7, "codes": 3})
    with torch.no_grad():
        for value in model.marginal.parameters():
            value += 0.1 * torch.randn_like(value)
    every = torch.cartesian_prod(*[torch.arange(3)] * places)
    log_m = model.marginal().log_prob(every)
    assert log_m.std() > 1e-3
    assert log_m.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_no_code_sees_itself_or_a_later_one_but_each_sees_all_before():
    """By gradients, on 4×4 and 7×7 places."""
    network = build(Family("vq2", "deconv", "pixelcnn"), Size(0.1, 3), {"codes": 4}).marginal.network
    seen = []

    def keep(module, given, found):
        found.retain_grad()
        seen.append(found)

    network.embedding.register_forward_hook(keep)
    logits = network(torch.randint(4, (1, 65)))
    for place in (0, 9, 15, 16, 40, 64):
        for maps in seen:
            maps.grad = None
        logits[0, place].square().sum().backward(retain_graph=True)
        reached = torch.cat([torch.zeros(1, n, 1) if maps.grad is None else maps.grad.abs().sum(-1, keepdim=True)
                             for maps, n in zip(seen, (16, 49), strict=True)], 1)[0, :, 0] > 0  # fmt: skip
        assert not reached[place:].any()
        assert reached[:place].all()


@pytest.mark.parametrize("grid", [4, 7, 14])
def test_a_code_of_a_patch_depends_on_the_patchs_pixels_alone(grid):
    encoder, patch = vq(grid=grid, features="patch").encoder, 28 // grid
    images = IMAGES[:1].repeat(grid**2, 1, 1).requires_grad_()  # image i is asked for what is quantised at place i
    encoded = encoder._encoded(images).square().sum(1).flatten(1)
    (by_pixel,) = torch.autograd.grad(encoded.diagonal().sum(), images)
    places = torch.arange(28) // patch
    own = places[:, None] * grid + places == torch.arange(grid**2)[:, None, None]
    assert ((by_pixel != 0) == own).all()


def test_the_nearest_code_is_that_of_a_plain_search():
    book = Codebook(6, 3, 0.25, "averages")
    encoded = torch.randn(4, 3, 5, 5)
    for image, codes in zip(encoded, book.nearest(encoded), strict=True):
        for place, code in enumerate(codes.tolist()):
            z = image[:, place // 5, place % 5]
            distances = [float(((z - vector) ** 2).sum()) for vector in book.vectors]
            assert code == min(range(6), key=distances.__getitem__)


@pytest.mark.parametrize("how", ["averages", "loss"])
def test_two_clusters_give_two_codes_at_their_means(how):
    book = Codebook(2, 2, 0.25, how)
    centres = torch.tensor([[3.0, 1.0], [-2.0, 0.5]])
    points = (centres.repeat(50, 1) + 0.1 * torch.randn(100, 2))[:, :, None, None].requires_grad_()
    if how == "loss":
        book.vectors.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    for _ in range(300):
        book.begin_step()
        penalty = book(points).penalty
        penalty.mean().backward()
        if how == "averages":
            book.settle(torch.tensor(0.0))
        else:
            book.vectors.data -= 0.1 * book.vectors.grad
            book.vectors.grad = None
    found = book.vectors.detach()[book.vectors[:, 0].argsort(descending=True)]
    assert torch.allclose(found, points[:, :, 0, 0].detach().unflatten(0, (50, 2)).mean(0), atol=1e-3)


def test_the_gradient_at_what_was_quantised_is_that_at_the_codes():
    model = vq(commitment=0.0)
    encoded = []
    model.encoder.project.register_forward_hook(lambda module, given, found: encoded.append(found))
    seen = []
    model.decoder.of_vectors.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    terms = model(IMAGES[:3])
    at_encoded, at_codes = torch.autograd.grad(terms.distortion.sum(), [encoded[0], seen[0]])
    assert at_codes.abs().sum() > 0
    assert torch.equal(at_encoded.flatten(1), at_codes[0])
    assert torch.equal(seen[0][0], model.encoder.embed(model.encoder(IMAGES[:3]).codes))  # to the last bit


def test_the_lower_codes_are_chosen_given_the_upper_and_both_reach_the_decoder():
    model = build(Family("vq2", "deconv", "uniform"), TINY, {"codes": 9})
    encoder = model.encoder
    before = encoder(IMAGES[:4]).codes
    seen = model.decoder(before).mean
    with torch.no_grad():
        encoder.top.vectors += 5  # all alike, so the top's codes change with what they stand for
    moved = encoder(IMAGES[:4]).codes
    assert not torch.equal(moved[:, 16:], before[:, 16:])
    for level in (slice(16), slice(16, None)):
        other = before.clone()
        other[:, level] = (other[:, level] + 1) % 9
        assert (model.decoder(other).mean - seen).abs().max() > 1e-4


def test_two_levels_are_quantised_to_what_their_codes_stand_for():
    model = build(Family("vq2", "deconv", "uniform"), TINY, {"codes": 9})
    codes, vectors, penalty = model.encoder.quantise(IMAGES[:3])
    assert torch.equal(vectors, model.encoder.embed(codes))
    for level in (model.encoder.project_top, model.encoder.project_bottom):
        gradient = torch.autograd.grad(vectors.square().sum(), level.weight, retain_graph=True)
        assert gradient[0].abs().sum() > 0
    assert (penalty > 0).all()


def test_the_penalty_is_in_the_loss_and_in_neither_rate_nor_distortion():
    with_penalty, without = begun(commitment=0.5), begun(commitment=0.0)
    terms, loss = with_penalty.body.backward()
    other, plain = without.body.backward()
    assert torch.equal(terms.rate, other.rate) and torch.equal(terms.distortion, other.distortion)
    assert terms.mean_penalty > 0 == other.mean_penalty
    assert loss.item() == pytest.approx((plain + terms.mean_penalty).item())
    with_penalty.run()
    assert with_penalty.history[-1].penalty > 0
    without.run()
    assert without.history[-1].penalty == 0


@pytest.mark.parametrize("encoder", ["vq", "vq2"])
def test_a_skipped_step_changes_no_average(encoder, monkeypatch):
    training = begun(encoder=encoder)
    training.body()
    before = averages(training)
    forward = training.objective.forward
    monkeypatch.setattr(training.objective, "forward", lambda terms, step: forward(terms, step) * math.nan)
    training.body()
    assert all(map(torch.equal, averages(training), before))
    monkeypatch.setattr(training.objective, "forward", forward)
    training.body()
    assert not torch.equal(averages(training)[0], before[0])


@pytest.mark.parametrize(("encoder", "places"), [("vq", [49]), ("vq2", [16, 49])])
def test_a_step_repeated_in_parts_changes_each_average_once(encoder, places, monkeypatch):
    """Memory runs out once, after the gradient has come back; then each part is computed twice."""
    plain, repeated = begun(encoder=encoder), begun(encoder=encoder)
    plain.body()
    backward, calls = repeated.body.backward, []

    def small():
        found = backward()
        calls.append(repeated.body.micro_batch)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    monkeypatch.setattr(repeated.body, "backward", small)
    InParts(repeated.body)(lambda line: None)
    assert calls == [8, 4]
    for book, other, n in zip(books(plain), books(repeated), places, strict=True):
        assert torch.equal(book.taken_counts, other.taken_counts) and book.taken_counts.sum() == 8 * n
        torch.testing.assert_close(book.taken_sums, other.taken_sums)


def test_dead_codes_restart_at_vectors_of_the_step():
    book = Codebook(4, 2, 0.25, "averages")
    book.vectors.copy_(torch.tensor([[0.0, 0.0], [50.0, 0.0], [60.0, 0.0], [70.0, 0.0]]))
    points = torch.randn(20, 2, 1, 1, requires_grad=True)
    book(points).penalty.sum().backward()
    book.settle(torch.tensor(0.0))
    flat = points.detach().flatten(1)
    assert (torch.cdist(book.vectors[1:], flat).min(1).values < 1e-3).all()


def test_dead_codes_restart_where_the_codes_are_far():
    """One place in a thousand is far from its code; a plain choice among them would double a code in use."""
    book = Codebook(4, 2, 0.25, "averages")
    book.vectors.copy_(torch.tensor([[0.0, 0.0], [50.0, 0.0], [60.0, 0.0], [70.0, 0.0]]))
    points = torch.zeros(1000, 2, 1, 1)
    points[700, 0] = 10
    book(points.requires_grad_()).penalty.sum().backward()
    book.settle(torch.tensor(0.0))
    torch.testing.assert_close(book.vectors[1:], torch.tensor([[10.0, 0.0]] * 3), rtol=0, atol=1e-3)


@pytest.mark.parametrize("encoder", ["vq", "vq2"])
def test_the_codes_of_a_step_in_bfloat16_are_those_of_evaluation(encoder, monkeypatch):
    model = build(Family(encoder, "deconv", "uniform"), TINY, {"codes": 500})
    quantise, found = model.encoder.quantise, []
    monkeypatch.setattr(model.encoder, "quantise", lambda images: found.append(quantise(images)) or found[-1])
    with torch.autocast("cpu", torch.bfloat16):
        model(IMAGES)
    assert torch.equal(found[0].codes, model.encoder(IMAGES).codes)


def test_the_use_of_codes_is_that_of_a_plain_count():
    model = vq(codes=5)
    codes = model.encoder(IMAGES).codes
    counts = np.bincount(codes.flatten(), minlength=5)
    p = counts[counts > 0] / counts.sum()
    found = use_of_codes(model, code_counts(model, IMAGES))
    assert found["codes_used"] == len(p)
    assert found["code_perplexity"] == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert found["code_entropy"] == pytest.approx(49 * -(p * np.log(p)).sum())
    assert found["uniform_rate"] == 49 * math.log(5)
    assert (code_counts(model, IMAGES).sum(1) == len(IMAGES)).all()


def test_the_use_of_two_levels_is_counted_apart():
    model = build(Family("vq2", "deconv", "uniform"), TINY, {"codes": 5})
    codes = model.encoder(IMAGES).codes
    entropies, used = [], []
    for n, level in ((16, codes[:, :16]), (49, codes[:, 16:])):
        p = np.bincount(level.flatten(), minlength=5) / level.numel()
        entropies.append(n * -(p[p > 0] * np.log(p[p > 0])).sum())
        used.append((p > 0).sum())
    found = use_of_codes(model, code_counts(model, IMAGES))
    assert found["code_entropy"] == pytest.approx(sum(entropies))
    assert found["code_perplexity"] == pytest.approx(np.exp(sum(entropies) / 65))
    assert found["codes_used"] == max(used)
    assert found["uniform_rate"] == 65 * math.log(5)


def test_what_codes_know_of_images_is_the_entropy_of_whole_grids():
    model = vq(codes=2, grid=1)
    codes = model.encoder(IMAGES).codes[:, 0]
    p = torch.bincount(codes, minlength=2).double() / len(codes)
    entropy = -torch.xlogy(p, p).sum().item()
    assert mutual_information(model, IMAGES).mean() == pytest.approx(entropy, abs=1e-6)
    assert entropy_of(code_counts(model, IMAGES)).item() == pytest.approx(entropy, abs=1e-6)
    assert active_units(model, IMAGES, code_counts(model, IMAGES)) == (entropy > 0.01)


@pytest.mark.parametrize("values", [
    {"beta": 0.5}, {"anneal_epochs": 1}, {"objective": "target-rate", "target_rate": 3.0},
    {"objective": "free-bits", "free_nats": 3.0}, {"objective": "iwae", "train_samples": 3},
])  # fmt: skip
def test_what_cannot_move_a_deterministic_encoder_is_refused_with_what_can(values):
    with pytest.raises(UserError, match=r"encoder vq is deterministic.*vary grid, features, codes"):
        make_run({**SMALL, **values})


def test_a_deterministic_encoder_is_asked_for_no_iwae():
    assert make_run({**SMALL, "iwae": [1, 50]}).iwae == ()

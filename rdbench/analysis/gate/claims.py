"""The claims: sentences that must hold of a store, each with the rule that judges it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rdbench.analysis.gate import agreement, bounds, identity
from rdbench.analysis.gate.judging import Judgement
from rdbench.analysis.gate.measured import Measured


@dataclass(frozen=True)
class Claim:
    """A sentence, the rule that judges it for each run, and the columns that the rule reads.

    In ``reads`` a ``*`` matches any text, such as the prefix ``train_`` or the k of a bound. The columns
    ``examples.<name>`` are means of the per-image table.
    """

    words: str
    rule: Callable[[Measured], Iterator[Judgement]]
    reads: str


MEASURES = "*rate *distortion *elbo *iwae_*"
ERRORS = "*rate_se *distortion_se *elbo_se *iwae_*_se"
GENERATIVE = "generative_[egsu] generative_[egsu]_se"

CLAIMS = (
    Claim("every measure is finite", bounds.finite, "config rate distortion elbo iwae_*"),
    Claim(
        "what is measured together is there, with its errors",
        agreement.complete,
        f"config encoder marginal test_images entropy {MEASURES} *_se *_gap class_information {GENERATIVE} "
        "*mutual_information *marginal_kl *active_units *rate_by_dimension examples.count examples.expected "
        "label_* probe_* predictive_* ais_*",
    ),
    Claim(
        "R + D = −ELBO, and R is the sum over dimensions",
        agreement.parts_sum,
        "test_images *rate *distortion *elbo *rate_by_dimension",
    ),
    Claim(
        "R ≥ 0, D ≥ 0 and IWAE-k ≤ 0",
        bounds.positive,
        "test_images *rate *rate_se *distortion *iwae_* *iwae_*_se examples.least_distortion",
    ),
    Claim(
        "IWAE-k does not fall as k grows, nor below the ELBO",
        bounds.ordered,
        "config test_images *elbo *elbo_se *iwae_* *iwae_*_se encoder_gap encoder_gap_se",
    ),
    Claim(
        "R + D and −IWAE-k ≥ H, where H is known",
        bounds.above_entropy,
        "test_images entropy *elbo *elbo_se *iwae_* *iwae_*_se *_gap *_gap_se",
    ),
    Claim(
        "gaps are the differences of what they lie between",
        agreement.gaps,
        "config dataset_sha256 test_images labels entropy elbo elbo_se iwae_* *_gap elbo_gap_se",
    ),
    Claim(
        "standard errors fit together",
        agreement.errors,
        f"config dataset_sha256 test_images labels elbo *distortion {ERRORS} *_gap_se *mutual_information_se "
        "*marginal_kl_se class_information_se generative_[egsu]_se label_*_se probe_*_se predictive_*_se ais_*_se",
    ),
    Claim(
        "examples have the means and errors of their run",
        agreement.examples,
        f"config test_images {MEASURES} {ERRORS} encoder_gap encoder_gap_se examples.*",
    ),
    Claim(
        "0 ≤ I(X;Z) ≤ R and ≤ log N",
        bounds.information,
        "test_images latent_dim *rate *mutual_information *mutual_information_se *marginal_kl *marginal_kl_se "
        "*active_units class_information class_information_se uniform_rate",
    ),
    Claim("codes: 1 ≤ perplexity ≤ codes used, entropy ≤ n log K", bounds.codes,
          "test_images marginal rate mutual_information active_units code_* codes_used uniform_rate softened_iwae_*"),
    Claim("labels: H(Y) − D is below H(Y) and R", bounds.labels,
          "test_images entropy rate rate_se distortion distortion_se label_* probe_* predictive_*"),
    Claim("annealing: the lower bound ≤ the upper one, and ≤ 0", bounds.annealed,
          "ais_images ais_chains ais_[0-9]*"),
    Claim("E ≤ G ≤ U for what the model draws", bounds.generative,
          f"test_images latent_dim marginal generated_images {GENERATIVE}"),
    Claim("a run's id is that of its description and data", identity.named, "run_id dataset_sha256"),
    Claim("a run did what it was asked for", identity.asked,
          "dataset_sha256 test_images train_images valid_images image_side precision"),
    Claim("what is known of the data is true", identity.data,
          "test_images dataset_sha256 labels entropy rate independent_pixels"),
)  # fmt: skip
"""Each claim is judged by every column that bears on it."""

HOW = "says how, when or where the run was done, and no measure follows from it"
DRAWN = "a mean over what the model drew, of which a store keeps no second account: only its bounds are judged"
JUDGES = "a second judge's mean, of which a store keeps nothing image by image: only its bounds are judged"
OTHER_SPLITS = "of this split a store keeps no numbers image by image: signs are judged, and that errors fit together"

UNJUDGED = {
    **dict.fromkeys(("sweep", "created_at", "command", "evaluated_with", "device", "threads", "ais_start"), HOW),
    **dict.fromkeys(("rdbench_version", "torch_version", "git_commit"), HOW),
    **dict.fromkeys(("train_seconds", "eval_seconds", "images_per_second", "peak_memory_bytes"), HOW),
    **dict.fromkeys(
        (
            "micro_batch",
            "skipped_steps",
            "jumps",
            "relaxation_gap",
            "penalty",
            "effective_beta",
            "effective_beta_sd",
            "replaces",
        ),
        HOW,
    ),
    **dict.fromkeys(("ais_rates", "ais_distortions", "ais_accepted"), "drawn, and no claim rests on it"),
    "error": "only a run that did not end well has one",
    "classes": "only the labels themselves, which a report does not open, could tell",
    "parameters": "only the model itself, which a report does not build, could tell",
    "examples.created_at": HOW,
}
"""Columns that no claim reads, and why."""

PARTLY_JUDGED = {
    **dict.fromkeys(("generative_e", "generative_g", "generative_s", "generative_u"), DRAWN),
    **dict.fromkeys(("generative_e_se", "generative_g_se", "generative_s_se", "generative_u_se"), DRAWN),
    **dict.fromkeys(("ais_*", "softened_iwae_*", "probe_*", "predictive_*", "label_error*"), JUDGES),
    **dict.fromkeys(("train_rate", "train_distortion", "train_iwae_*"), OTHER_SPLITS),
    **dict.fromkeys(("train_rate_se", "train_distortion_se", "train_iwae_*_se"), OTHER_SPLITS),
    **dict.fromkeys(("valid_iwae_*", "valid_rate_se"), OTHER_SPLITS),
    "independent_pixels": "only other runs on the same images can tell, and only a note follows from it",
}
"""Columns whose wrong value may pass, although a missing one does not, and why."""

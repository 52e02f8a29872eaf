"""The registry: one line for every part, which names its code without importing it.

A part is an encoder, decoder, marginal, objective, dataset, kind of figure or executor. Validation, the help of the
command line, the columns of the table of runs and the labels of figures all follow from its line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rdbench.errors import UserError, one_of, unknown

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Kind = Literal["encoder", "decoder", "marginal", "objective", "dataset", "figure", "executor"]
PLUGIN_KINDS: tuple[Kind, ...] = ("encoder", "decoder", "marginal", "objective", "dataset")
"""The kinds of parts that a plug-in can bring."""

KINDS: tuple[Kind, ...] = (*PLUGIN_KINDS, "figure", "executor")

DatasetKind = Literal["images", "table"]

OF_YOUR_OWN = "A part of your own comes with --plugin FILE or an installed package"

VECTOR = ("vector",)


@dataclass(frozen=True)
class Setting:
    """A setting that belongs to one part: a key of a run, a column of the table, an option of the command line.

    Its type is that of its default. A number is at least ``least``, at most ``most`` and greater than ``above``; a text
    is one of ``choices``.
    """

    name: str
    default: int | float | bool | str
    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()

    def checked(self, value: Any) -> Any:
        """Convert a value to the type of the setting and check its bounds.

        >>> Setting("codes", 512, "number of codes", least=1).checked("64")
        64

        Raises:
            UserError: the value is of another type, or out of bounds.
        """
        from pydantic import ValidationError  # here, so that --help does not wait for pydantic

        if self.choices:
            return one_of(self.name, value, self.choices)
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            raise UserError(f"{self.name}: found {value!r}; {error.errors()[0]['msg'].lower()}") from None

    @property
    def expected(self) -> str:
        """The values that it can have, in words; empty for any of its type."""
        bounds = {"≥": self.least, ">": self.above, "≤": self.most}
        return ", ".join(self.choices or (f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None))

    @cached_property
    def _adapter(self) -> "TypeAdapter[Any]":
        from pydantic import Field, TypeAdapter

        if isinstance(self.default, str | bool):
            return TypeAdapter(type(self.default))
        bounds = Field(ge=self.least, le=self.most, gt=self.above, allow_inf_nan=False)
        kind: Any = Annotated[type(self.default), bounds]
        return TypeAdapter(kind)


@dataclass(frozen=True)
class Origin:
    """The source of a plug-in part: its file or package, the package's version, the digest of the code, its path."""

    where: str
    version: str
    digest: str
    path: str


@dataclass(frozen=True)
class Part:
    """A part's name, and ``target``, the "module:attribute" that makes the part.

    ``sign`` is the paper's sign for it. ``latent`` has the kinds of z that an encoder gives, or that a decoder or a
    marginal takes. A ``deterministic`` encoder gives one z for each x. ``settings`` are the part's own; ``takes`` are
    the keys of a run that an objective or a marginal uses, with an objective's aim first. ``explains`` says whether a
    decoder's distribution is over images or over labels. ``draws`` has the kinds of datasets that a figure can show.
    ``lacks`` gives the reason why this part does not have a certain setting of other parts.
    """

    kind: Kind
    name: str
    target: str
    help: str = ""
    sign: str | None = None
    latent: tuple[str, ...] = VECTOR
    settings: tuple[Setting, ...] = ()
    takes: tuple[str, ...] = ()
    explains: Literal["image", "label"] = "image"
    deterministic: bool = False
    draws: tuple[DatasetKind, ...] = ("images", "table")
    lacks: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None


TABLE = ("table",)
DISCRETE = ("bits", "categories", "codes")
ANY = ("vector", *DISCRETE)

GRADIENT_SAMPLES = Setting("gradient_samples", 4, "draws of z for each image, for gradient=rloo", least=2)
TEMPERATURE_RATE = Setting(
    "temperature_rate", 1e-4, "r of the temperature max(½, e^(−rt)) after t steps, and of the sharpness", least=0
)
CODEBOOK = (
    Setting("codes", 512, "vectors of the codebook", least=2),
    Setting("commitment", 0.25, "weight of ‖zₑ − e‖² in the penalty", least=0),
    Setting("codebook", "averages", "how the codes follow what is quantised", choices=("averages", "loss")),
)


def _gradient(default: str, choices: tuple[str, ...]) -> Setting:
    return Setting("gradient", default, "how a gradient reaches the encoder", choices=choices)


CATEGORICAL_GRADIENTS = ("score", "rloo", "straight-through", "gumbel", "straight-through-gumbel")
BIT_GRADIENTS = (*CATEGORICAL_GRADIENTS, "spike-exponential", "power", "symmetric-power")
OWN = (
    Part("encoder", "gaussian", "rdbench.models.encoders:GaussianEncoder", "N(μ(x), diag σ²(x))", "-",
         settings=(_gradient("pathwise", ("pathwise", "score", "rloo")), GRADIENT_SAMPLES)),
    Part("encoder", "iaf", "rdbench.models.encoders:IAFEncoder",
         "gaussian, then 4 mean-only inverse autoregressive steps", "+",
         lacks={"gradient": "it scores z by the cached path of its draw, which score and rloo must not follow"}),
    Part("decoder", "deconv", "rdbench.models.decoders:DeconvDecoder", "pixels independent given z", "-", ANY),
    Part("decoder", "pixelcnn", "rdbench.models.decoders:PixelCNNDecoder", "PixelCNN++, pixels in order", "+", ANY),
    Part("decoder", "linear", "rdbench.models.label_decoders:LinearDecoder", "labels: softmax of a linear map of z",
         latent=ANY, explains="label"),
    Part("decoder", "mlp", "rdbench.models.label_decoders:MLPDecoder", "labels: softmax of 2 hidden layers",
         latent=ANY, explains="label"),
    Part("marginal", "gaussian", "rdbench.models.marginals:GaussianMarginal", "N(0, I)", "-"),
    Part("marginal", "maf", "rdbench.models.marginals:MAFMarginal", "4 mean-only masked autoregressive steps", "+"),
    Part("marginal", "vamp", "rdbench.models.marginals:VampMarginal", "a mixture of encoders", "v",
         takes=("pseudo_inputs",)),
    Part("encoder", "bernoulli", "rdbench.models.discrete:BernoulliEncoder", "latent_dim bits", latent=("bits",),
         settings=(_gradient("gumbel", BIT_GRADIENTS), GRADIENT_SAMPLES, TEMPERATURE_RATE)),
    Part("encoder", "categorical", "rdbench.models.discrete:CategoricalEncoder",
         "latent_dim variables of several values, one-hot", latent=("categories",),
         settings=(Setting("categories", 10, "values of each variable", least=2),
                   _gradient("gumbel", CATEGORICAL_GRADIENTS), GRADIENT_SAMPLES, TEMPERATURE_RATE)),
    Part("encoder", "vq", "rdbench.models.quantised:VQEncoder", "the nearest of several codes at each place of a grid",
         latent=("codes",), deterministic=True, settings=(
             Setting("grid", 7, "places along a side, of 28 pixels", least=1, most=14),
             Setting("features", "trunk", "what zₑ is computed from: the paper's trunk, or the place's own pixels",
                     choices=("trunk", "patch")), *CODEBOOK)),
    Part("encoder", "vq2", "rdbench.models.quantised:VQ2Encoder", "codes at 4×4 places, and at 7×7 given those",
         latent=("codes",), deterministic=True, settings=CODEBOOK),
    Part("marginal", "uniform", "rdbench.models.discrete:UniformMarginal", "all values alike, fixed", latent=DISCRETE),
    Part("marginal", "factorised", "rdbench.models.discrete:FactorisedMarginal", "variables independent, learned",
         latent=DISCRETE),
    Part("marginal", "autoregressive", "rdbench.models.discrete:AutoregressiveMarginal",
         "each variable given those before it", latent=DISCRETE),
    Part("marginal", "pixelcnn", "rdbench.models.code_pixelcnn:CodePixelCNNMarginal",
         "each code given those before it on its grid, by convolutions", latent=("codes",)),
    Part("encoder", "realnvp", "rdbench.models.library_flows:RealNVPEncoder",
         "gaussian, then 4 affine coupling layers"),
    Part("marginal", "realnvp", "rdbench.models.library_flows:RealNVPMarginal", "4 affine coupling layers"),
    Part("marginal", "affine_maf", "rdbench.models.library_flows:AffineMAFMarginal",
         "4 masked autoregressive steps that shift and scale"),
    Part("marginal", "spline", "rdbench.models.library_flows:SplineMarginal",
         "4 masked autoregressive steps of splines"),
    Part("encoder", "discrete", "rdbench.models.toy:DiscreteVAE", "the toy's table e(z|x)", "d", TABLE),
    Part("decoder", "discrete", "rdbench.models.toy:DiscreteVAE", "the toy's table d(x|z)", "d", TABLE),
    Part("marginal", "discrete", "rdbench.models.toy:DiscreteVAE", "the toy's table m(z)", "d", TABLE),
    Part("objective", "beta-vae", "rdbench.runs.objectives:BetaVAE", "D + βR", "β",
         takes=("beta", "anneal_epochs", "anneal_from")),
    Part("objective", "target-rate", "rdbench.runs.objectives:TargetRate", "D at R = R*, by a multiplier", "R*",
         takes=("target_rate", "anneal_epochs")),
    Part("objective", "target-rate-penalty", "rdbench.runs.objectives:TargetRatePenalty", "D + |R − R*|", "R*",
         takes=("target_rate", "anneal_epochs")),
    Part("objective", "free-bits", "rdbench.runs.objectives:FreeBits", "D + max(λ, R)", "λ", takes=("free_nats",)),
    Part("objective", "iwae", "rdbench.runs.objectives:IWAE", "−log of the mean of k weights", "k",
         takes=("train_samples",)),
    Part("dataset", "mnist", "rdbench.data.mnist:load", "static binarized MNIST (Larochelle & Murray, 2011)"),
    Part("dataset", "omniglot", "rdbench.data.omniglot:load", "Omniglot at 28×28 (Burda et al., 2015)"),
    Part("dataset", "omniglot-small", "rdbench.data.omniglot_small:load",
         "the two small sets of Omniglot (Lake et al., 2015)"),
    Part("dataset", "sprites", "rdbench.data.sprites:load", "noisy shapes of known entropy, made in memory"),
    Part("dataset", "toy", "rdbench.data.toy:joint",
         "a known distribution over 30 values with a hidden class; for: rdbench toy", latent=TABLE),
    Part("figure", "plane", "rdbench.analysis.plots.plane:plane", "D against R, with frontiers and the bounds on H"),
    Part("figure", "skew", "rdbench.analysis.plots.skew:skew", "−ELBO against R, so that equal ELBO lies level"),
    Part("figure", "history", "rdbench.analysis.plots.history:history", "R, D, −ELBO and β by epoch"),
    Part("figure", "race", "rdbench.analysis.plots.race:race", "−ELBO against seconds, by gradient estimator",
         draws=("images",)),
    Part("figure", "phase", "rdbench.analysis.plots.phase:phase", "what is feasible, and the frontier in it"),
    Part("figure", "samples", "rdbench.analysis.plots.samples:samples", "inputs, reconstructions and generations",
         draws=("images",)),
    Part("figure", "attribution", "rdbench.analysis.plots.attribution:attribution", "each run's −ELBO in parts"),
    Part("figure", "bottleneck", "rdbench.analysis.plots.bottleneck:bottleneck", "I(Z;Y) from below, against R",
         draws=("images",)),
    Part("figure", "curve", "rdbench.analysis.plots.curve:curve", "each model's own rate-distortion curve",
         draws=("images",)),
    Part("figure", "limit", "rdbench.analysis.plots.limit:limit", "D against R up to 200 nats, by the kind of z",
         draws=("images",)),
    Part("figure", "toy", "rdbench.analysis.plots.toy:toy_figure", "the paper's Figure 2", draws=("table",)),
    Part("executor", "local", "rdbench.execute.local:on_this_machine", "this process, or --jobs processes"),
    Part("executor", "ray", "rdbench.execute.ray_cluster:Cluster", "a Ray cluster; needs rdbench[ray]"),
)  # fmt: skip
"""The parts that ship with rdbench, in the order in which tables and figures show them."""

_registry: dict[tuple[str, str], Part] = {(part.kind, part.name): part for part in OWN}


def register(part: Part) -> None:
    """Add a plug-in's part.

    Raises:
        UserError: another part has its name.
    """
    other = _registry.get((part.kind, part.name))
    if other is not None and (other.origin is None or part.origin is None or other.origin.digest != part.origin.digest):
        whose = other.origin.where if other.origin else "rdbench"
        raise UserError(f"{part.kind} {part.name!r} is already a part of {whose}; give yours another name")
    _registry[part.kind, part.name] = part


def unregister(part: Part) -> None:
    """Remove a plug-in's part."""
    _registry.pop((part.kind, part.name), None)


def names(kind: Kind) -> list[str]:
    """The names of all parts of a kind, those in installed packages included."""
    own = [name for of, name in _registry if of == kind]
    if kind not in PLUGIN_KINDS:
        return own
    from rdbench.config.plugins import installed_names  # here, so that packages are searched only when needed

    return list(dict.fromkeys([*own, *installed_names(kind)]))


def registered(kind: Kind, name: str) -> Part | None:
    """The part of that name, or None; loads nothing."""
    return _registry.get((kind, name))


def known(kind: Kind, name: str) -> Part | None:
    """The part of that name, or None; loads the installed package that provides it."""
    if (kind, name) not in _registry:
        from rdbench.config.plugins import load_installed

        load_installed(kind, name)
    return _registry.get((kind, name))


def find(kind: Kind, name: str) -> Part:
    """The part of that name; loads the installed package that provides it.

    Raises:
        UserError: no part has that name.
    """
    part = known(kind, name)
    if part is None:
        error = unknown(kind, name, names(kind))
        if kind not in PLUGIN_KINDS:
            raise error
        raise UserError(f"{error}. {OF_YOUR_OWN}")
    return part


def settings_of(parts: Iterable[Part]) -> dict[str, Setting]:
    """The parts' own settings, by name."""
    return {setting.name: setting for part in parts for setting in part.settings}


def registered_parts() -> tuple[Part, ...]:
    """Every part that is registered now."""
    return tuple(_registry.values())


def all_settings() -> dict[str, Setting]:
    """The settings of every part that is registered now, by name."""
    return settings_of(_registry.values())


def keys_taken(kind: Kind) -> tuple[str, ...]:
    """The keys of a run that rdbench's own parts of a kind take; a plug-in's part can take no others.

    >>> keys_taken("marginal")
    ('pseudo_inputs',)
    """
    return tuple(dict.fromkeys(key for part in OWN if part.kind == kind for key in part.takes))

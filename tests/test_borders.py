"""The border of every public function, in all rooms: no argument that does not fit ends in an error from inside torch.

Each function is called with each of its tensors replaced, one at a time, by what people pass by mistake. It may answer,
or refuse in our own words: a `raise` that stands in the library, with the rule, the value received and the remedy.
"""

import importlib
import inspect
import math
import pkgutil
import traceback
import typing
import warnings
from types import FunctionType, NoneType

import pytest
import torch
from jaxtyping import AbstractArray
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal

import lvmteach
from lvmteach.boltzmann import DBN, RBM, random_rbm, stack
from lvmteach.covariance import Prior
from lvmteach.helmholtz import Machine, machine
from lvmteach.hmm import HMM, sequences
from lvmteach.hmm import random_start as random_hmm
from lvmteach.hmm.sequences import Sequences
from lvmteach.linear_gaussian import LinearGaussian, Moments, moments
from lvmteach.linear_gaussian.chain import LinearChain
from lvmteach.mixtures import Mixture
from lvmteach.runtime import seeded
from lvmteach.signatures import rules_of
from lvmteach.surgery import lattice
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, MixturePrior, StandardNormal
from lvmteach.variational import Gaussian, grid

SIZES = {"N": 8, "D": 3, "L": 2, "K": 4, "B": 5, "C": 2, "M": 8, "F": 3, "G": 50, "T": 5, "H": 2, "V": 4}
LONGEST = 700  # characters: a paragraph


# ---- a good call of every function, made from its annotations


def vae(prior=None):
    with seeded(0):
        return VAE(GaussianEncoder(3, 2, (4,)), BernoulliDecoder(2, 3, (4,)), prior or StandardNormal(2)).double()


def spread(*shape):
    return torch.linspace(0.1, 0.9, math.prod(shape)).double().reshape(shape) ** 2


def counts(*shape):
    return (torch.arange(math.prod(shape)).reshape(shape) % 3 + torch.eye(*shape[-2:]).long()).double()


def clustered():
    """A model whose codes spread, so that there is something to cluster."""
    model = vae(MixturePrior(2, 2))
    with torch.no_grad():
        model.encoder.net[0].weight.mul_(9)
    return model


MADE = {  # where parts must go together in a way that no annotation tells
    LinearGaussian: lambda: LinearGaussian(spread(3), spread(3, 2), torch.ones(3).double()),
    Mixture: lambda: Mixture(torch.tensor([0.4, 0.6]).double(), spread(2, 3), torch.ones(2, 3).double()),
    Prior: lambda: Prior(5.0, 0.5),
    Moments: lambda: moments(POINTS),
    LinearChain: lambda: LinearChain(spread(2), EYE, EYE / 2, EYE, spread(3), spread(3, 2), torch.ones(3).double()),
    Machine: lambda: machine((3, 2, 2), dtype=torch.float64),
    DBN: lambda: stack(RBM(spread(3, 2), spread(3), spread(2))),
    HMM: lambda: random_hmm(TRACKS, 2),
    Sequences: lambda: sequences(spread(8, 5, 3)),
    VAE: vae,
    torch.nn.Module: vae,
    Distribution: lambda: Normal(torch.zeros(3).double(), 1.0),
}
EYE = torch.eye(2).double()
TRACKS = torch.arange(60).square().sin().double().reshape(4, 5, 3)
POINTS = torch.cat([spread(8, 3), 3 + spread(8, 3).flip(0) + counts(8, 3) / 5])
BITS = (torch.arange(24).reshape(8, 3) % 2).double()
SPD = torch.eye(3).double() + 0.1
IMAGES = Independent(Normal(spread(8, 2), 1.0), 1)
CLUSTERED = clustered()
LEAF = torch.linspace(0, 1, 2).double().requires_grad_()
LINE = grid(-6.0, 6.0, 50)
UNIT = Normal(0.0, 1.0).log_prob(LINE.z)
SYMBOLS = torch.arange(20).reshape(4, 5) % 4
BY_FUNCTION = {
    "boltzmann": {"v": BITS},
    "boltzmann.dbn_sample": {"dbn": stack(random_rbm(3, 2))},
    "boltzmann.fit_rbm": {"steps": 2},
    "covariance": {"scatter": spread(2, 3), "cov": torch.ones(2, 3).double(), "D": 3},
    "evaluation": {"model": vae(), "K": 3, "x": BITS},
    "missing": {"x": BITS, "missing": BITS[0] > 0, "K": 3},
    "vade": {"model": CLUSTERED, "x": BITS, "held_out": BITS, "covariance": "spherical", "C": 1},
    "vade.fit_clusters": {"prior": Prior(5.0, 0.5)},  # eight points may leave a component without
    "vade.matched_accuracy": {"found": torch.arange(8) % 2, "labels": torch.arange(8) % 2},
    "gradients.straight_through": {"q": Bernoulli(spread(3))},
    "gradients.reparameterised": {"f": lambda z: z**2, "q": Normal(torch.zeros(3, requires_grad=True), 1.0)},
    "gradients.implicit": {"q": Normal(torch.zeros(3, requires_grad=True), 1.0)},
    "gradients.score_function": {"f": lambda z: z**2},
    "gradients.optimal_baseline": {
        "problem": lambda m: (lambda z: z**2, Normal(m, 1.0)), "params": (torch.tensor(0.5),), "draws": 9
    },
    "gradients.gradient_samples": {"estimator": lambda m: m**2, "params": (torch.tensor(0.5),), "repeats": 3},
    "helmholtz": {"x": BITS},
    "helmholtz.objectives.climb": {"objective": lambda m: m.log_weights(BITS, 2).mean(0), "rate": 0.1},
    "hmm": {"x": TRACKS, "z": SYMBOLS % 2, "pseudo": 1.0, "max_steps": 2, "prior": Prior(5.0, 0.5)},
    "hmm.fitting.e_step": {"x": sequences(TRACKS)},
    "integrals": {"f": torch.sin, "log_p": Normal(0.0, 1.0).log_prob},
    "linear_gaussian.fitting": {"x": POINTS, "max_steps": 2, "L": 1},
    "linear_gaussian.sufficient": {"x": POINTS, "L": 1},
    "linear_gaussian.chain.fit_chain": {"max_steps": 2, "L": 1},
    "linear_gaussian.model.checked": {"D": 3},
    "mixtures": {"prior": Prior(5.0, 0.5), "x": POINTS, "z": torch.arange(16) % 2, "max_steps": 2, "r": spread(16, 2)},
    "poisson_pca": {"x": counts(8, 3), "max_steps": 2, "rounds": 1, "steps": 2, "nodes": 5},
    "rate_distortion": {"eigenvalues": torch.tensor([3.0, 2.0, 0.1]).double()},
    "surgery": {"on": lattice(-4.0, 5.0, 30, 2), "q": IMAGES, "prior": StandardNormal(2).double()(), "K": 3},
    "topics": {"counts": counts(8, 4), "words": [0, 1, 1], "max_steps": 2},
    "training.train": {
        "loss": lambda m, x: -m.log_weights(x).mean(), "x": BITS, "steps": 1, "batch_size": 4, "progress": False,
        "valid": BITS,
    },
    "em.fishers_identity": {"log_joint": (LEAF * spread(8, 1)).log_softmax(1), "params": (LEAF,)},
    "loglinear.neighbour_features": {"shape": (1, 3)},
    "data.prose.spelt": {"x": SYMBOLS[0]},
    "variational": {"on": LINE, "log_q": UNIT, "log_p": UNIT, "log_joint": UNIT - 1},
    "variational.log_density": {"q": Gaussian(torch.zeros(2).double(), torch.ones(2).double())},
    "variational.gaussian_kl": {"cov_q": SPD, "cov_p": SPD},
    "variational.mean_field_gaussian": {"cov": SPD, "sweeps": 2},
    "variational.reverse_fit": {"max_steps": 2, "start": Gaussian(LINE.z[25], LINE.z[29])},
    "loglinear": {"data": (spread(8, 3), torch.full((8,), 0.125).double()), "max_steps": 2},
    "loglinear.outcome_counts": {"x": SYMBOLS.flatten()},
}  # fmt: skip
# Parts of a function's work that other borders stand before: they take what those have made.
INNER = {
    "arguments.cholesky",
    "linear_gaussian.model.posterior_of", "linear_gaussian.model.log_likelihood_of", "linear_gaussian.missing.m_step",
    "linear_gaussian.sufficient.closed_form_of", "linear_gaussian.chain.m_step", "linear_gaussian.model.project",
    "linear_gaussian.sufficient.fittable", "hmm.fitting.m_step",
}  # fmt: skip
ELSEWHERE = ("checkpoints", "data.files", "data.larochelle", "data.language", "em.em")  # files and callbacks: own tests


def public():
    """Every public function of the library's rooms whose signature names a tensor, or something that holds some."""
    for module in pkgutil.walk_packages(lvmteach.__path__, "lvmteach."):
        if "classroom" in module.name or "__main__" in module.name:
            continue
        room = importlib.import_module(module.name)
        for name, f in vars(room).items():
            ours = isinstance(f, FunctionType) and f.__module__ == module.name and not name.startswith("_")
            full = f"{module.name.removeprefix('lvmteach.')}.{name}"
            if ours and full not in INNER and not full.startswith(ELSEWHERE) and rules_of(inspect.unwrap(f)):
                yield full, f


FUNCTIONS = dict(public())


def made(hint):
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        shape = [
            int(eval(d, {}, SIZES)) if d[0] not in "*." and set(d) & set("+-") else SIZES.get(d.strip("*#."), 5)
            for d in hint.dim_str.split()
        ]
        kinds = hint.dtypes if isinstance(hint.dtypes, (tuple, list)) else ("float64",)
        return spread(*shape) if "float64" in kinds else torch.zeros(shape).to(getattr(torch, kinds[-1]))
    members = [member for member in typing.get_args(hint) if member is not NoneType]
    if hint in MADE:
        return MADE[hint]()
    if isinstance(hint, type) and issubclass(hint, VAE):
        return vae()
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        return hint(*(made(field) for field in typing.get_type_hints(hint).values()))
    return {int: 2, float: 0.5, Tensor: spread(5)}.get(hint) if hint in (int, float, Tensor) else made(members[0])


def good_call(full):
    """Arguments that the function takes, by name."""
    hints = typing.get_type_hints(inspect.unwrap(FUNCTIONS[full]))
    known = {}
    for prefix, more in BY_FUNCTION.items():
        if full == prefix or full.startswith(prefix + "."):
            known |= more
    found = {}
    with seeded(0):
        for name, parameter in inspect.signature(FUNCTIONS[full]).parameters.items():
            if name in known and known[name] is not None:
                found[name] = known[name]
            elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL:
                found[name] = made(hints[name])
    return found


def call(full, arguments):
    with seeded(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FUNCTIONS[full](**arguments)


@pytest.mark.parametrize("full", FUNCTIONS)
@pytest.mark.usefixtures("as_users_run_it")
def test_the_table_starts_from_calls_that_work(full):
    call(full, good_call(full))


# ---- what people pass by mistake


MISTAKES = {
    "NumPy array": lambda v: v.detach().numpy(),
    "list": lambda v: v.tolist(),
    "the other precision": lambda v: v.float() if v.dtype == torch.float64 else v.double(),
    "integer": lambda v: v.long(),
    "bool": lambda v: v > 0,
    "uint8": lambda v: v.to(torch.uint8),
    "one axis more": lambda v: v[None],
    "one axis less": lambda v: v[0] if v.ndim else v[None],
    "empty": lambda v: v[:0] if v.ndim else v[None][:0],
    "NaN": lambda v: torch.full_like(v, math.nan) if v.is_floating_point() else v,
    "infinity": lambda v: torch.full_like(v, math.inf) if v.is_floating_point() else v,
    "on the meta device": lambda v: v.to("meta"),
}


def leaves(value, path=()):
    """The places of tensors in an argument, and how to put something else there."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, tuple):
        for i, part in enumerate(value):
            yield from leaves(part, (*path, i))


def replaced(value, path, new):
    if not path:
        return new
    parts = list(value)
    parts[path[0]] = replaced(parts[path[0]], path[1:], new)
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def raw(problem):
    """What is wrong with an error's words, if anything."""
    names = [frame.filename for frame in traceback.extract_tb(problem.__traceback__)]
    if next(name for name in reversed(names) if "torch" not in name) == __file__ and len(names) > 3:
        return ""  # from a function of the user's own
    last = traceback.extract_tb(problem.__traceback__)[-1]
    if "lvmteach" not in last.filename or not (last.line or "").startswith("raise"):
        return f"from inside {last.filename.rpartition('/')[2]}: {type(problem).__name__}: {str(problem)[:80]}"
    if len(str(problem)) > LONGEST:
        return f"{len(str(problem))} characters long"
    return "" if isinstance(problem, (TypeError, ValueError, FloatingPointError)) else type(problem).__name__


def raw_cells(full):
    for name, value in good_call(full).items():
        for path, tensor in leaves(value):
            for mistake, make in MISTAKES.items():
                arguments = good_call(full)
                arguments[name] = replaced(value, path, make(tensor))
                try:
                    call(full, arguments)
                except Exception as problem:
                    if words := raw(problem):
                        yield f"{full}({name}{list(path) or ''} = {mistake}): {words}"


@pytest.mark.parametrize("full", FUNCTIONS)
@pytest.mark.usefixtures("as_users_run_it")
def test_no_mistake_ends_inside_torch(full):
    cells = list(raw_cells(full))
    assert not cells, "\n".join(cells)

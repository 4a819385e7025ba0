"""Every room with its tensors on a device that is not the CPU: results stay there, and are the CPU's.

Without a GPU the device is a pretended one (`away.py`) that refuses what a GPU refuses. With LVMTEACH_DEVICE=cuda it is
the GPU; there other numbers are drawn, and what draws is asked only to run and to stay.
"""

import ast
import copy
import os
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, MethodType

import numpy as np
import pytest
import torch
from away import READY, away
from test_borders import BITS, FUNCTIONS, LEAF, POINTS, call, good_call, spread
from torch import Tensor, nn
from torch.distributions import Distribution

from lvmteach import runtime, training
from lvmteach.bounds import elbo
from lvmteach.classroom.explorables import drawing, geometry, latent_explorer, morph, stepper
from lvmteach.classroom.explorables.packing import packed
from lvmteach.classroom.figures import clusters, on_digits, plots
from lvmteach.classroom.publish.cells import tree
from lvmteach.classroom.publish.core import is_check
from lvmteach.classroom.publish.lecture import imports, section
from lvmteach.classroom.publish.notebooks import from_text
from lvmteach.classroom.publish.notebooks import sources as texts
from lvmteach.data import dynamic
from lvmteach.evaluation import active_units, log_likelihood, reconstruct
from lvmteach.gradients import RunningMean
from lvmteach.helmholtz import Bars, bars
from lvmteach.mixtures import Mixture, responsibilities
from lvmteach.runtime import device, seeded
from lvmteach.training import train
from lvmteach.vae import (
    VAE,
    BernoulliDecoder,
    GaussianEncoder,
    MixturePrior,
    StandardNormal,
    StudentTDecoder,
    VampPrior,
    pretrained,
)
from lvmteach.vae.counts import BetaBinomial, CategoricalCounts, DiscretisedLogistic
from lvmteach.vae.observations import Standardised
from lvmteach.vae.pretrained import pretrained_sentences

GPU = os.environ.get("LVMTEACH_DEVICE") == "cuda"
if not (GPU or READY):
    pytest.skip("this PyTorch cannot pretend a device from Python", allow_module_level=True)


@contextmanager
def elsewhere():
    if GPU:
        yield torch.empty(0, device=device()).device  # with its number
    else:
        with away() as there:
            yield there


def moved(value, there):
    """The same argument with its tensors on another device, whatever holds them: a model, a tuple, a function."""
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to(there)
    if isinstance(value, Tensor):
        return value.detach().to(there).requires_grad_(value.requires_grad)
    if isinstance(value, Distribution):
        twin = copy.copy(value)
        vars(twin).update({name: moved(part, there) for name, part in vars(value).items()})
        return twin
    if isinstance(value, (tuple, list)):
        parts = [moved(part, there) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, MethodType):
        return getattr(moved(value.__self__, there), value.__name__)
    if isinstance(value, FunctionType) and not value.__module__.startswith("lvmteach"):
        names = set(value.__code__.co_names) & value.__globals__.keys()
        data = {name: moved(value.__globals__[name], there) for name in names if name.isupper()}
        return FunctionType(value.__code__, value.__globals__ | data, closure=value.__closure__)
    return value


def tensors(value):
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.state_dict().values()
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, Distribution):
        yield from tensors(list(vars(value).values()))


# ---- every public function

# What is right about a result that is elsewhere, or not the CPU's to the last bit.
ON_THE_CPU = {"training.train"}  # a history is for reading: losses and validations come back at the end
# On a CPU, x'x by NumPy and the largest eigenvectors by SciPy's LAPACK: other roundings, and signs that are free.
OTHER_ROUTINES = {
    "linear_gaussian.sufficient.moments", "linear_gaussian.sufficient.ppca_closed_form",
    "linear_gaussian.fitting.fit_ppca", "linear_gaussian.fitting.fit_fa", "linear_gaussian.chain.fit_chain",
}  # fmt: skip


@pytest.mark.parametrize("full", FUNCTIONS)
@pytest.mark.usefixtures("as_users_run_it")
def test_results_stay_on_the_device_and_are_the_cpus(full):
    expected = list(tensors(call(full, arguments(full, "cpu"))))
    draws = GPU and any(not torch.equal(a, b) for a, b in zip(expected, tensors(other_draws(full)), strict=True))
    with elsewhere() as there:
        given = arguments(full, there)
        found = list(tensors(call(full, given)))
        if full not in ON_THE_CPU and any(part.device == there for part in tensors(list(given.values()))):
            assert [part.device for part in found] == [there] * len(expected)
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            if not draws:
                same(full, a.cpu(), b)


def same(full, a, b):
    near = 1e-8 if GPU or full in OTHER_ROUTINES else 0
    if full in OTHER_ROUTINES:
        a, b = a.abs(), b.abs()
    torch.testing.assert_close(a, b, rtol=near, atol=near, equal_nan=True)


def arguments(full, there):
    if full == "em.fishers_identity":  # its two arguments hang together by a graph
        leaf = LEAF.detach().to(there).requires_grad_()
        return {"log_joint": (leaf * spread(8, 1).to(there)).log_softmax(1), "params": (leaf,)}
    return {name: moved(value, there) for name, value in good_call(full).items()}


def other_draws(full):
    with seeded(7):
        return FUNCTIONS[full](**arguments(full, "cpu"))


# ---- what is no function of tensors alone: parts that are built, training, models from the package, pictures


def built(there):
    """Everything that is made of tensors by a class, or has a method that draws or computes: name -> tensors."""
    x, mixture = POINTS.float().to(there), moved(made_mixture("full"), there)
    full = MixturePrior.from_mixture(*mixture, active=torch.tensor([True, False, True, True], device=there))
    counts = torch.arange(6.0, device=there).reshape(2, 3)
    logistic = DiscretisedLogistic(5, counts, counts + 1)
    sentences = moved(pretrained_sentences().model, there)
    with seeded(0):
        yield "mixture prior, full", [full, full().log_prob(torch.ones(2, 4, device=there)), full().sample((2,))]
        yield "its components", [full.components().rsample((2,)), full.components().variance]
        yield "mixture prior, diagonal", MixturePrior.from_mixture(*moved(made_mixture("diagonal"), there))
        vamp = VampPrior(GaussianEncoder(3, 2, (4,)).to(there), x[:4].sigmoid())
        yield "VampPrior", [vamp, vamp().log_prob(torch.ones(5, 2, device=there)), vamp().sample((2,))]
        yield "decoders that start at a mean", [BernoulliDecoder(2, 3, (4,), x.sigmoid().mean(0)).to(there)]
        yield "standardised", Standardised(GaussianEncoder(3, 2, (4,)), x.mean(0), x.std(0)).to(there)(x)
        yield "a Student t's", [StudentTDecoder(2, 3, (4,)).to(there)(x[:, :2]).log_prob(x)]
        yield "discretised logistic", [logistic.log_prob(counts), logistic.mean, logistic.sample((2,))]
        beta = BetaBinomial(5, counts + 1, counts + 2)
        yield "beta-binomial", [beta.log_prob(counts), beta.mean, beta.sample((2,))]
        values = CategoricalCounts(counts)
        yield "categorical counts", [values.log_prob(counts[0, :2]), values.mean, values.sample((2,))]
        world = Bars(*moved(tuple(bars(2)), there))
        yield "bars", [world.sample(3), world.expect(world.log_prob)]
        z = torch.ones(2, sentences.decoder.L, device=there)
        words = sentences.decoder.greedy(z)
        yield "sentences", [words, sentences.decoder.drawn(z), sentences.decoder(z).log_prob(words)]
        yield "q of sentences", sentences.encoder(words)
        yield "a layer of two", pretrained("two_1", there).model.log_weights(torch.zeros(2, 784, device=there), 3)
        yield "a mean that moves", RunningMean()(counts)


def made_mixture(covariance):
    covs = torch.eye(3).double().expand(2, -1, -1) if covariance == "full" else POINTS[:2] + 1
    return Mixture(torch.tensor([0.4, 0.6]).double(), POINTS[:2], covs)


def test_what_is_built_of_tensors_is_where_they_are():
    expected = dict(built("cpu"))
    with elsewhere() as there:
        for name, found in built(there):
            for a, b in zip(tensors(found), tensors(expected[name]), strict=True):
                assert a.device == there, name
                if not GPU:
                    torch.testing.assert_close(a.cpu(), b, rtol=1e-6, atol=1e-6, msg=name)


def taught(there, file, steps, **settings):
    with seeded(3):
        model = VAE(GaussianEncoder(3, 2, (4,)), BernoulliDecoder(2, 3, (4,)), StandardNormal(2)).to(there)
        past = train(
            model, lambda m, x: -elbo(m.log_weights(x)).mean(), BITS.float(), steps=steps, batch_size=3, lr=1e-2,
            prepare=dynamic, valid=BITS.float(), valid_every=4, checkpoint=file, checkpoint_every=50, progress=False,
            **settings,
        )  # fmt: skip
    return model, past


@pytest.mark.slow
def test_a_run_and_one_taken_up_again_are_the_cpus(tmp_path):
    model, past = taught("cpu", tmp_path / "cpu", 120)
    with elsewhere() as there:
        found, there_past = taught(there, tmp_path / "there", 120)
        taught(there, tmp_path / "cut", 55)
        again, _ = taught(there, tmp_path / "cut", 120, resume=True)
        assert all(part.device == there for part in tensors([found, again]))
        assert (len(there_past.loss), len(there_past.valid)) == (120, len(past.valid))
        assert [v.device.type for v in there_past[:3]] == ["cpu"] * 3
        for a, b, c in zip(*map(tensors, (found, again, model)), strict=True):
            torch.testing.assert_close(a, b)
            if not GPU:
                assert torch.equal(a.cpu(), c)
        back, _ = taught("cpu", tmp_path / "there", 120, resume=True)  # a GPU's run is read where there is none
        for a, b in zip(tensors(back), tensors(found), strict=True):
            assert torch.equal(a, b.cpu())


@pytest.mark.parametrize("name", ["plane", "iwae_1"])
def test_models_from_the_package_are_judged_there(name):
    with seeded(1):
        x = (torch.rand(4, 784) > 0.7).float()

    def judged(there):
        model = pretrained(name, there).model
        with seeded(0):
            found = [log_likelihood(model, x.to(there), 5, chunk=7), active_units(model, x.to(there))]
            return [*found, reconstruct(model, x.to(there)), model.prior().sample((2,))]

    expected = list(tensors(judged("cpu")))
    with elsewhere() as there:
        for a, b in zip(tensors(judged(there)), expected, strict=True):
            assert a.device == there
            assert a.shape == b.shape
            assert GPU or torch.equal(a.cpu(), b)


def test_pictures_and_demos_take_tensors_from_there():
    def drawn(there):
        x, (weights, means, covs) = POINTS[:, :2].to(there), moved(tuple(made_mixture("full")), there)
        params = Mixture(weights, means[:, :2], covs[:, :2, :2])
        fig, (left, right) = plots.figure(1, 2)
        plots.image_grid(left, x[:4].requires_grad_(), (2, 1), cols=2)
        plots.ellipse(right, params.means[0], params.covariances[0])
        clusters.draw(right, x, params, responsibilities(x, params))
        plane, deep = (pretrained(name, there).model for name in ("plane", "iwae_1"))
        images, labels = torch.zeros(3, 784, device=there), torch.arange(3, device=there)
        told = [
            latent_explorer.payload(plane, (28, 28), images, labels), morph.payload(deep, (28, 28), images),
            drawing.payload(deep, (28, 28), images), geometry.payload(x), stepper.payload(x),
        ]  # fmt: skip
        return plots.png(fig), packed(told)

    expected = drawn("cpu")
    with elsewhere() as there:
        assert GPU or drawn(there) == expected


def test_the_pretended_device_refuses_what_a_gpu_refuses():
    with elsewhere() as there:
        x, near = torch.ones(3, device=there), torch.ones(3)
        for mixed in (lambda: x + near, lambda: torch.stack([x.sum(), torch.tensor(1.0)]), lambda: near.add_(x.sum()),
                      lambda: near[x.long()], lambda: x.gather(0, near.long()), lambda: near @ x):  # fmt: skip
            with pytest.raises(RuntimeError, match="device"):
                mixed()
        for gone in (lambda: x.numpy(), lambda: np.asarray(x)):
            with pytest.raises(TypeError, match="convert"):
                gone()
        for fine in (x + torch.tensor(1.0), x[near.long()[:1]], x.masked_fill(x > 0, torch.tensor(2.0)), x * 2):
            assert fine.device == there
        assert (near.copy_(x).device.type, x.tolist(), f"{x[0]:.1f}") == ("cpu", [1.0, 1.0, 1.0], "1.0")


# ---- notebooks and solutions, where they ask for a device

ROOT = Path(__file__).parent.parent
TEXTS = [text for text in texts(ROOT) if "device()" in text.read_text(encoding="utf-8")]


# Of this one a single section asks for a device; the others take minutes.
SECTION = {"06_wake_sleep": "Further: real images"}


class _NothingIsAsserted(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()


@pytest.mark.skipif(GPU, reason="a GPU is no pretended device")
def test_after_the_block_the_pretended_device_is_gone():
    """It stays registered with PyTorch, and the tests that run next in this process must not meet it."""
    with away() as there:
        torch.zeros(1, device=there)
        with torch.random.fork_rng():
            inside = torch.rand(1, device=there).item()
        assert torch.rand(1, device=there).item() == inside
        assert torch.away.device_count() == 1
    assert torch.away.device_count() == 0
    with torch.random.fork_rng():
        drawn = torch.rand(1)
    assert torch.equal(torch.rand(1), drawn)


@pytest.mark.notebooks
@pytest.mark.timeout(900)  # minutes, where the machine is busy
@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{text.parent.parent.name}-{text.stem}")
def test_every_cell_runs_there(text, monkeypatch):
    """All cells but checks, on the small digits; taught so little, a model is not what the cells assert of it."""
    kept = [row._replace(steps=10) for row in on_digits.runs()]
    monkeypatch.setattr(on_digits, "runs", lambda: kept)
    monkeypatch.setattr(training, "train", lambda *given, steps, **more: train(*given, steps=min(steps, 300), **more))
    monkeypatch.setenv("LVMTEACH_IMAGES", "digits")
    notebook, names = from_text(text), {"__name__": "__main__"}
    cells = notebook.cells
    if text.stem in SECTION:
        defined = (cell for cell in notebook.cells if cell.cell_type == "code" and only_defines(cell.source))
        cells = [imports(notebook), *defined, *section(notebook, SECTION[text.stem])]
    with elsewhere() as there:
        monkeypatch.setattr(runtime, "device", lambda: there)
        for cell in cells:
            if cell.cell_type == "code" and not is_check(cell):
                code = ast.fix_missing_locations(_NothingIsAsserted().visit(tree(cell.source)))
                exec(compile(code, f"{text.name}, a cell that begins {cell.source[:60]!r}", "exec"), names)
        assert any(part.device == there for part in tensors(list(names.values())))


def only_defines(source):
    return all(isinstance(part, (ast.FunctionDef, ast.ClassDef)) for part in tree(source).body)

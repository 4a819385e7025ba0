"""The border's own words, and what it leaves alone: an error in a function of the user's.

That every public function has such a border is in `test_borders`.
"""

import warnings
from typing import NamedTuple

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Distribution, Normal

from lvmteach.annotated import as_annotated
from lvmteach.arguments import few
from lvmteach.bounds import iwae
from lvmteach.integrals import log_mean_exp, monte_carlo
from lvmteach.linear_gaussian import fit_fa
from lvmteach.mixtures import Mixture, fit_from, log_likelihood
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

pytestmark = pytest.mark.usefixtures("as_users_run_it")
X = torch.arange(15.0).reshape(5, 3).sin()


class Line(NamedTuple):
    w: Float[Tensor, "D L"]
    b: Float[Tensor, " L"]


@as_annotated
def predict(x: Float[Tensor, "N D"], line: Line, z: Int[Tensor, " N"] | None = None, q: Distribution | None = None):
    return x @ line.w + line.b


@as_annotated
def through(first: Line, second: Line):
    return first.w @ second.w


LINE = Line(torch.ones(3, 2), torch.zeros(2))
WORDS = {
    "list": ((X.tolist(), LINE), TypeError, r"x must be a torch tensor, got list; use torch.as_tensor\(x\)"),
    "array": ((X.numpy(), LINE), TypeError, "x must be a torch tensor, got ndarray"),
    "whole": ((X.long(), LINE), TypeError, r"x must hold floating point, got torch.int64; use x.double\(\) or"),
    "pixels": ((X.byte(), LINE), TypeError, "x must hold floating point, got torch.uint8; for pixels use x / 255"),
    "a row": ((X[0], LINE), ValueError, r"x must be \(N, D\), got \(3,\); a single point needs x\[None\]"),
    "images": ((X[None, None], LINE), ValueError, r"x must be \(N, D\), got .*; images need x.flatten\(1\)"),
    "width": ((X[:, :2], LINE), ValueError, r"line.w must be \(D, L\) with D = 2 as in x, got shape \(3, 2\)"),
    "parts": ((X, LINE._replace(b=torch.zeros(3))), ValueError, r"line.b must be \(L,\) with L = 2 as in line.w"),
    "no tuple": ((X, (1, 2)), TypeError, r"line must be a Line\(w, b\), got tuple"),
    "precision": ((X.double(), LINE), TypeError, "got x of torch.float64 and line.w of torch.float32; convert one"),
    "no values": ((X.to("meta"), LINE), ValueError, "x must hold values, got one on the meta device, which has none"),
    "device": (
        (X, Line(*(part.to("meta") for part in LINE))),
        ValueError,
        r"got x on cpu and line.w on meta; move one, line.w.to",
    ),
    "labels": ((X, LINE, X[:, 0]), TypeError, r"z must hold whole numbers, got torch.float32; use z.long\(\)"),
    "q": ((X, LINE, None, 3.0), TypeError, "q must be a torch.distributions object, got float"),
}


@pytest.mark.parametrize("case", WORDS)
def test_rule_value_and_remedy(case):
    arguments, error, words = WORDS[case]
    with pytest.raises(error, match=words):
        predict(*arguments)


def test_by_name_as_by_place():
    assert torch.equal(predict(line=LINE, x=X), predict(X, LINE))
    with pytest.raises(ValueError, match="x must be"):
        predict(line=LINE, x=X[0])


def test_a_whole_fit_in_place_of_its_parameters_is_named():
    fit = fit_from(X, Mixture(torch.ones(1), X[:1], 9 * torch.ones(1)), max_steps=1, tol=0.0)
    with pytest.raises(TypeError, match=r"params must be a Mixture\(.*\), got EMFit; a fit has them as fit.params"):
        log_likelihood(X, fit)


def test_the_models_type_is_named():
    model = VAE(GaussianEncoder(3, 2), BernoulliDecoder(2, 3), StandardNormal(2))
    with pytest.raises(TypeError, match=r"torch.float32.*x of torch.float64|x of torch.float64.*torch.float32"):
        model.log_weights(X.abs().double())


def test_an_error_in_the_users_own_function_is_theirs():
    def f(z):
        return z @ torch.ones(7)

    with pytest.raises(RuntimeError, match=r"size mismatch|inconsistent|shapes cannot"):
        monte_carlo(f, Normal(torch.zeros(3), 1.0), 5)


def test_pure_shapes_go_through():
    assert log_mean_exp(torch.zeros(4, 3, device="meta")).shape == (3,)
    assert iwae(torch.zeros(4, 3, requires_grad=True)).requires_grad


def test_a_warning_points_at_the_line_that_called():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit_fa(torch.cat([X, X.cos(), X.sin() ** 2]), 1, max_steps=2, tol=1e-12)
    assert [w.filename for w in said] == [__file__]


def test_messages_stay_short():
    assert few(range(10_000)) == "0, 1, 2, 3, 4, 5, 6, 7 and 9992 more"
    many = Mixture(torch.full((5000,), 1 / 2500), torch.zeros(5000, 3), torch.ones(5000))
    with pytest.raises(ValueError, match=r"sum to one, got 0.0004, 0.0004.* and 4992 more, sum 2; try") as refused:
        log_likelihood(X, many)
    assert len(str(refused.value)) < 300


def test_the_second_of_a_kind_has_letters_of_its_own():
    """Layers of 3 to 2 and of 2 to 4: both say D and L, and mean others."""
    assert through(LINE, Line(torch.ones(2, 4), torch.zeros(4))).shape == (3, 4)
    with pytest.raises(ValueError, match=r"second.b must be \(L,\) with L = 4 as in second.w"):
        through(LINE, Line(torch.ones(2, 4), torch.zeros(3)))

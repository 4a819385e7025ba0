"""The judge's better proposal, against a linear-Gaussian model whose log p(x) is known."""

import linear
import numpy as np
import torch

from benchmarks import judge
from lvmteach.runtime import seeded


def estimates(samples, **fit):
    model, x = linear.vae(shift=0.5, widen=0.6), torch.tensor(linear.data(20))
    with seeded(1):
        before = judge.log_p_by(model, x, (samples,))[samples]
        after = judge.log_p_by(judge.refined(model, x, **fit), x, (samples,))[samples]
    exact = torch.tensor(linear.MARGINAL.logpdf(x))
    return before - exact, after - exact


def test_a_q_fitted_to_each_image_finds_log_p():
    """The exact posterior is in the family, and there every weight is p(x)."""
    before, after = estimates(50, steps=600, K=8, rate=0.05)
    assert before.abs().mean() > 0.1
    np.testing.assert_allclose(after, 0, atol=0.01)


def test_no_steps_change_nothing_and_the_model_stays():
    model, x = linear.vae(0.3), torch.tensor(linear.data(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.testing.assert_close(judge.refined(model, x, steps=0).encoder(x).mean, model.encoder(x).mean)
    judge.refined(model, x, steps=5)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None for p in model.parameters())


def test_few_samples_are_the_first_of_many():
    model, x = linear.vae(0.3), torch.tensor(linear.data(4))
    with seeded(2):
        both = judge.log_p_by(model, x, (50, 200))
    with seeded(2), torch.no_grad():
        log_w = torch.cat([model.log_weights(x, 50) for _ in range(4)])
    torch.testing.assert_close(both[200], torch.logsumexp(log_w, 0) - np.log(200))
    torch.testing.assert_close(both[50], torch.logsumexp(log_w[:50], 0) - np.log(50))


def test_a_mean_comes_with_its_standard_error():
    assert judge.words(torch.tensor([1.0, 2.0, 3.0, 4.0])) == "2.500 +- 0.645"

"""The numbers of stage 10 with their spread: three seeds each, on MNIST and made data.

python -m benchmarks.richer                       all of them, about a quarter of an hour on one core
python -m benchmarks.richer clusters imputation   those named

Each part's numbers replace its last ones in lvmteach/vae/trained/richer_runs.json, which the notebooks read.
Test images are looked at once, at the end of each run; what is chosen is chosen on training images.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from lvmteach import vade
from lvmteach.bounds import elbo, elbo_analytic, iwae
from lvmteach.data import dynamic, load_images, threshold
from lvmteach.evaluation import log_marginal
from lvmteach.missing import impute, impute_weighted
from lvmteach.rate_distortion import beta_elbo
from lvmteach.runtime import seeded
from lvmteach.training import cosine, train
from lvmteach.vae import (
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    MixturePrior,
    StandardNormal,
    StudentTDecoder,
    TwoLayerDecoder,
    TwoLayerEncoder,
    TwoLayerPrior,
    VampPrior,
    pretrained,
)
from lvmteach.vae.pretrained import FOLDER, RICHER

SEEDS = (1, 2, 3)
Result = dict[str, float]
BETAS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)


def clusters(seed: int) -> Iterator[tuple[str, Result]]:
    """Accuracy on the test set by one-to-one matching, before and after six joint epochs; beside K-means.

    K-means has draws for the same images, in the same dimensions, as many starts, and answers for the means of q.
    """
    data = load_images("mnist")
    labels = data.test_labels
    with seeded(seed):
        model = pretrained("vae").model
        x = dynamic(data.train[torch.randperm(len(data.train))])
        began = time.process_time()
        choice = vade.fit_clusters(model, x[:45_000], x[45_000:], C=10)
        fitted = time.process_time() - began
        at = choice.active
        with torch.no_grad():
            means = model.encoder(threshold(data.test)).mean[:, at].numpy()
        kmeans = KMeans(10, n_init=8, random_state=seed).fit(vade.draws_of_q(model, x[:45_000])[:, at].numpy())
        found = torch.tensor(kmeans.predict(means)).long()
        yield "K-means on such draws", {"accuracy": vade.matched_accuracy(found, labels)}
        before = bounds(model, data.test)
        model.prior = choice.prior()
        yield (
            "mixture fitted to q(z)",
            {
                "accuracy": vade.matched_accuracy(vade.clusters(model, threshold(data.test)), labels),
                "seconds": fitted,
                **{f"{name} before": value for name, value in before.items()},
                **bounds(model, data.test),
            },
        )
        began = time.process_time()
        fit(model, lambda model, x: -elbo_analytic(*vade.terms(model, x)).mean(), data.train, epochs=6)
        yield (
            "six joint epochs more",
            {
                "accuracy": vade.matched_accuracy(vade.clusters(model, threshold(data.test)), labels),
                "seconds": fitted + time.process_time() - began,
                **bounds(model, data.test),
            },
        )


def rate_distortion(seed: int) -> Iterator[tuple[str, Result]]:
    """One pass over the training images at each beta, always from the packaged VAE: as in the notebook."""
    data = load_images("mnist")
    with seeded(seed):
        x = dynamic(data.test[::10])
        for beta in BETAS:
            model = pretrained("vae").model
            fit(model, lambda m, x, beta=beta: -beta_elbo(*m.terms(x), beta).mean(), data.train, 1, high=1e-3)
            with torch.no_grad():
                log_lik, kl = model.terms(x, K=64)
            rate, distortion = float(kl.mean()), -float(log_lik.mean())
            yield f"beta = {beta:g}", {"rate": rate, "distortion": distortion, "-ELBO": rate + distortion}


def imputation(seed: int) -> Iterator[tuple[str, Result]]:
    """Half the pixels missing completely at random: wrong pixels among the missing, and their cross-entropy."""
    data = load_images("mnist")
    with seeded(seed):
        model = pretrained("vae").model
        x = dynamic(data.test[::10])
        missing = torch.rand(x.shape) < 0.5
        mean = data.train.mean(0)
        yield "mean of the pixel", score(mean.expand_as(x), x, missing)
        yield "weighted, K = 1000", score(impute_weighted(model, x, missing, K=1000, fill=mean).mean, x, missing)
        yield "by turns 40 to 200", score(impute(model, x, missing, 200, warm_up=40).mean, x, missing)
        for metropolis, steps, warm_up in ((False, 60, 20), (True, 160, 60)):
            for chains in (1, 4):
                found = impute(model, x, missing, steps, warm_up=warm_up, metropolis=metropolis, chains=chains)
                name = f"{'Metropolis, ' if metropolis else ''}turns {warm_up} to {steps}, chains: {chains}"
                yield name, {**score(found.mean, x, missing), "accepted": found.accepted}


def student(seed: int) -> Iterator[tuple[str, Result]]:
    """Angle between the axis found and the true one, degrees, where one row in twenty lies far off."""
    D, N = 5, 600
    with seeded(seed):
        w = torch.randn(D)
        w = 2 * w / w.norm()
        off = torch.randn(D)
        off -= (off @ w) * w / (w @ w)
        outlier = torch.rand(N, 1) < 0.05
        x = torch.randn(N, 1) * w + 0.4 * torch.randn(N, D) + outlier * 15 * torch.randn(N, 1) * off / off.norm()
        for name, decoder in (
            ("Gaussian", GaussianDecoder(1, D, ())),
            ("Student, df = 2", StudentTDecoder(1, D, (), df=2.0)),
        ):
            model = VAE(GaussianEncoder(D, 1, (32,)), decoder, StandardNormal(1))
            train(
                model,
                lambda m, x: -elbo(m.log_weights(x, 4)).mean(),
                x,
                steps=1500,
                lr=cosine(2e-2, 5e-4, 1500),
                progress=False,
            )
            found = decoder.net[0].weight[:, 0].detach()
            cosine_of = (found @ w).abs() / found.norm() / w.norm()
            yield (
                name,
                {
                    "degrees": float(torch.rad2deg(torch.acos(cosine_of.clamp(max=1)))),
                    "sigma": float(decoder.log_scale.detach().exp()),
                },
            )


def priors(seed: int, L: int = 10, steps: int = 800) -> Iterator[tuple[str, Result]]:
    """Priors learnt from scratch with the rest of the model, on the small digits; nats a test image by K = 200."""
    data = load_images("digits")
    D = data.train.shape[1]
    with seeded(0):
        test = dynamic(data.test)

    def one(prior: Callable[[GaussianEncoder], torch.nn.Module]) -> VAE:
        encoder = GaussianEncoder(D, L, (64,))
        return VAE(encoder, BernoulliDecoder(L, D, (64,), data.train.mean(0)), prior(encoder))

    def two() -> VAE:
        model, second, below = one(lambda _: None), GaussianEncoder(L, 4, (32,)), GaussianEncoder(4, L, (32,))
        upper = TwoLayerPrior(StandardNormal(4), below)
        return VAE(TwoLayerEncoder(model.encoder, second), TwoLayerDecoder(model.decoder, L), upper)

    def plain(K: int) -> Callable:
        return lambda model, x: -iwae(model.log_weights(x, K)).mean()

    def warmed() -> Callable:
        """The ELBO, with a weight on log p(z) - log q(z|x) that rises from 0 to 1 over the first half."""
        step = itertools.count()

        def loss(model: VAE, x: Tensor) -> Tensor:
            log_w, z = model.draw(x)
            log_lik = model.decoder(z).log_prob(x)
            return -(log_lik + min(1, 2 * next(step) / steps) * (log_w - log_lik)).mean()

        return loss

    def normal() -> VAE:
        return one(lambda _: StandardNormal(L))

    def vamp() -> VAE:
        return one(lambda encoder: VampPrior(encoder, data.train[torch.randperm(len(data.train))[:50]]))

    for name, make, loss in (
        ("N(0, I)", normal, plain(1)),
        ("N(0, I), warm-up", normal, warmed()),
        ("N(0, I), K = 10", normal, plain(10)),
        ("two layers", two, plain(1)),
        ("two layers, warm-up", two, warmed()),
        ("two layers, K = 10", two, plain(10)),
        ("mixture of 20", lambda: one(lambda _: MixturePrior(20, L)), plain(1)),
        ("VampPrior of 50", vamp, plain(1)),
        ("VampPrior of 50, warm-up", vamp, warmed()),
    ):
        with seeded(seed):
            model, rate = make(), cosine(5e-3, 1e-4, steps)
            train(model, loss, data.train, steps=steps, lr=rate, prepare=dynamic, progress=False)
            yield name, {"log p(x)": float(log_marginal(model, test, 200).mean())}


def fit(model: VAE, loss: Callable, x: Tensor, epochs: int, high: float = 5e-4) -> None:
    """A few epochs from a trained model, at a rate that falls from `high` to a fiftieth."""
    rate = cosine(high, high / 50, steps := epochs * len(x) // 200)
    train(model, loss, x, steps=steps, batch_size=200, lr=rate, prepare=dynamic, progress=False)


def bounds(model: VAE, test: Tensor) -> Result:
    """ELBO and the bound of 64 samples on a tenth of the test images, nats."""
    x = dynamic(test[::10])
    with torch.no_grad():
        return {"ELBO": float(elbo(model.log_weights(x, 64)).mean()), "L_64": float(log_marginal(model, x, 64).mean())}


def score(p: Tensor, x: Tensor, missing: Tensor) -> Result:
    """Share of missing pixels that the likelier value gets wrong, in per cent, and nats a missing pixel."""
    p = p.clamp(1e-4, 1 - 1e-4)[missing]
    x = x[missing]
    nats = -(x * p.log() + (1 - x) * (1 - p).log()).mean()
    return {"error %": 100 * float(((p > 0.5) != (x > 0.5)).float().mean()), "nats": float(nats)}


PARTS = {
    "clusters": clusters,
    "rate_distortion": rate_distortion,
    "priors": priors,
    "imputation": imputation,
    "student": student,
}


def main(names: list[str]) -> None:
    """Every part named, or all; a line a method with the mean and the spread over seeds, and each seed's value."""
    for name in names or PARTS:
        print(f"# {name}", flush=True)
        runs = [dict(PARTS[name](seed)) for seed in SEEDS]
        found = {
            method: {what: [float(f"{run[method][what]:.5g}") for run in runs] for what in runs[0][method]}
            for method in runs[0]
        }
        for method, numbers in found.items():
            for what, each in numbers.items():
                values = torch.tensor(each)
                print(f"{method:<30} {what:<12} {values.mean():9.4g} ± {values.std():.2g}   ({each})", flush=True)
        path = FOLDER / RICHER
        kept = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**kept, name: found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

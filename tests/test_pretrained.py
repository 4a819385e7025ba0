"""The models that come with the package: whole, small, trained; and the command that measures them can be stopped."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from chance import assert_share

from benchmarks import long, recipes, richer
from benchmarks import sentences as sentence_benchmark
from lvmteach.bounds import iwae
from lvmteach.checkpoints import data_hash
from lvmteach.data.language import language_vocabulary, read
from lvmteach.evaluation import log_marginal
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, pretrained
from lvmteach.vae.pretrained import (
    FOLDER,
    NAMES,
    RICHER,
    SENTENCES,
    mnist_two_layers,
    mnist_vae,
    pretrained_sentences,
    richer_runs,
    sentence_runs,
)

PROMISED = {
    "K", "L", "epochs", "steps", "start", "epochs_before", "schedule", "gradient", "seed", "binarisation",
    "data_sha256", "test_log_likelihood", "test_se", "every_10th", "eval_K", "eval_images", "active_units", "hardware",
    "date", "command",
}  # fmt: skip


def describes_images(model: VAE) -> bool:
    """Images drawn from the prior and the decoder: does the encoder find their codes again?

    An untrained net gives each of 784 pixels about log 1/2, -543 nats together. MNIST has below 100 nats an image,
    and a model's own samples cannot be far from that.
    """
    with seeded(0), torch.no_grad():
        x = model.decoder(model.prior().sample((200,))).sample()
        return bool(iwae(model.log_weights(x, K=50)).mean() > -200)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_whole_and_trained(name):
    model, card = pretrained(name)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.encoder(torch.zeros(1, 784)).mean.shape == (1, card["L"])
    assert describes_images(model)


def test_an_untrained_model_would_be_noticed():
    with seeded(0):
        assert not describes_images(mnist_vae(L=50))


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_was_done(name):
    _, card = pretrained(name)
    assert card.keys() >= PROMISED
    assert card["name"] == name
    assert (card["eval_K"], card["eval_images"]) == (5000, 10000)
    assert len(card["data_sha256"]) == 64
    assert card["active_units"] <= card["L"]
    assert name in card["command"]


def test_files_are_small():
    sizes = {file.name: file.stat().st_size for file in FOLDER.iterdir()}
    assert {name for name in sizes if name.endswith(".safetensors")} == {
        f"{n}.safetensors" for n in (*NAMES, SENTENCES)
    }
    assert max(sizes.values()) < 1_100_000
    assert sum(sizes.values()) < 8_000_000


@pytest.mark.slow
def test_the_sentence_model_is_whole_and_its_card_holds():
    model, card = pretrained_sentences()
    assert not model.training
    _, test = sentence_benchmark.data()
    found = sentence_benchmark.measured(model, test.x[::4], 100)
    log_p = log_marginal(model, test.x[::4], K=100)
    margin = (
        4 * float(log_p.std()) / math.sqrt(len(log_p)) * math.sqrt(3 / 4) + 0.05
    )  # a quarter of the card's sentences
    assert abs(-found["nll"] - card["test_log_likelihood"]) < margin
    assert found["nll"] > card["entropy"] - margin
    assert abs(found["kl"] - card["test_kl"]) < 0.2
    assert sentence_benchmark.topic_accuracy(model, test) == pytest.approx(card["topic_from_mean"], abs=0.02)
    assert sentence_benchmark.topic_accuracy(model, test, True) == pytest.approx(card["topic_from_sample"], abs=0.05)
    with seeded(3), torch.no_grad():
        drawn = language_vocabulary().decode(model.decoder(model.prior().sample((200,))).sample())
    legal = sum(read(sentence) is not None for sentence in drawn)
    assert_share(legal, 200, card["legal_sentences"], resolution=0.15)
    assert card["data_sha256"] == data_hash(sentence_benchmark.data()[0].x)


def test_the_record_has_three_runs_of_what_the_course_compares():
    runs = sentence_runs()
    seeds = {
        setting: [run["seed"] for run in runs if run["setting"] == setting] for setting in sentence_benchmark.SETTINGS
    }
    assert list(seeds.values()) == len(seeds) * [[0, 1, 2]]
    for run in runs:
        assert run["step"] == list(range(100, 2001, 100))
        assert len(run["kl"]) == len(run["nll"]) == len(run["step"])
        assert run["test_nll"] > 18.43 - 4 * 0.09  # the entropy, less four standard errors of 2000 test sentences


def test_the_record_of_stage_10_has_three_seeds_of_everything():
    kept = json.loads((FOLDER / RICHER).read_text())
    assert set(kept) <= set(richer.PARTS)
    for part in kept:
        for method, numbers in richer_runs(part).items():
            for what, each in numbers.items():
                assert len(each) == len(richer.SEEDS), (part, method, what)
                assert np.isfinite(each).all(), (part, method, what)


def test_what_the_record_says_of_rate_and_distortion_lies_in_the_order_it_must():
    runs = richer_runs("rate_distortion")
    assert list(runs) == [f"beta = {beta:g}" for beta in richer.BETAS]
    rate, distortion, loss = (
        np.array([run[what] for run in runs.values()]) for what in ("rate", "distortion", "-ELBO")
    )
    assert (np.diff(rate, axis=0) < 0).all()
    assert (np.diff(distortion, axis=0) > 0).all()
    assert (loss.argmin(0) == richer.BETAS.index(1.0)).all()
    np.testing.assert_allclose(rate + distortion, loss, rtol=1e-4)


@pytest.mark.parametrize("page", ["notebooks/text/10_priors_and_rates.py", "benchmarks/README.md"])
def test_the_tables_of_rate_and_distortion_are_the_record(page):
    text = (Path(__file__).parent.parent / page).read_text(encoding="utf-8")
    for beta, run in zip(richer.BETAS, richer_runs("rate_distortion").values(), strict=True):
        row = " | ".join(f"{np.mean(run[what]):.2f} ± {np.std(run[what], ddof=1):.2f}" for what in run)
        assert f"| {beta:g} | {row} |" in text


def test_what_is_said_of_clusters_is_the_record():
    text = (Path(__file__).parent.parent / "notebooks/text/10_priors_and_rates.py").read_text(encoding="utf-8")
    for run in richer_runs("clusters").values():
        assert f"{np.mean(run['accuracy']):.3f} ± {np.std(run['accuracy'], ddof=1):.3f}" in text


@pytest.mark.parametrize("page", ["notebooks/text/10_what_is_observed.py", "benchmarks/README.md"])
def test_what_is_said_of_filling_in_is_the_record(page):
    text = (Path(__file__).parent.parent / page).read_text(encoding="utf-8")
    runs = richer_runs("imputation")
    for name in (f"{kind}, chains: {n}" for kind in ("turns 20 to 60", "Metropolis, turns 60 to 160") for n in (1, 4)):
        error = runs[name]["error %"]
        assert f"| {np.mean(error):.2f} ± {np.std(error, ddof=1):.2f}" in text


def test_an_unknown_name_is_told_the_others():
    with pytest.raises(ValueError, match="no model 'iwae_3' comes with the package; there are plane, vae, iwae_1"):
        pretrained("iwae_3")
    with pytest.raises(ValueError, match=r"part must be one of .*priors.*, got 'prior'"):
        richer_runs("prior")


def test_a_card_is_json_with_an_end_of_line():
    for name in NAMES:
        text = (FOLDER / f"{name}.json").read_text()
        assert text == json.dumps(json.loads(text), indent=2) + "\n"


def test_a_stopped_measurement_goes_on_as_if_it_had_not_been(tmp_path):
    model, _ = pretrained("plane")
    with seeded(0):
        x = torch.rand(3 * long.BLOCK // 2, 784).round()
    whole = long.log_p_of_test(model, x, K=2)
    file = tmp_path / "half.safetensors"
    long.log_p_of_test(model, x[: long.BLOCK], K=2, file=file)
    assert len(long.load_file(file)["log_p"]) == long.BLOCK
    assert torch.equal(long.log_p_of_test(model, x, K=2, file=file), whole)


def test_the_kl_term_comes_in_and_a_run_taken_up_again_goes_on_with_it():
    with seeded(0):
        model, x = mnist_vae(L=3), torch.rand(5, 784).round()
    annealed = recipes.Annealed(model, steps=4)
    log_lik, kl = [], model.kl(x)
    for t in range(6):
        with seeded(t):
            value = annealed(x)
        with seeded(t):
            log_lik.append(model.terms(x).log_lik[0])
        torch.testing.assert_close(value, log_lik[t] - min(t / 4, 1) * kl)
        if t == 1:
            state = annealed.state_dict()
            annealed = recipes.Annealed(model, steps=4)
            annealed.load_state_dict(state)


def test_a_run_starts_from_the_parameters_that_another_ended_with(tmp_path, monkeypatch):
    first = recipes.WarmUp(K=1, L=3, epochs=2, high=1e-3, seed=1, batch=10)
    second = recipes.Recipe(K=2, L=3, epochs=1, high=0.0, low=0.0, seed=2, batch=10, start="first")
    monkeypatch.setattr(long, "WORK", tmp_path)
    monkeypatch.setattr(long, "RECIPES", {"first": first, "second": second})
    with seeded(0):
        x = torch.rand(30, 784)
    model, bound = long.trained("second", second, x)
    before, _ = long.trained("first", first, x)
    for p, q in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(p, q)
    assert -600 < bound < -300  # an untrained net, log 1/2 a pixel
    with seeded(first.seed):
        assert not torch.equal(next(before.parameters()), next(mnist_vae(L=3).parameters()))


def test_epochs_are_counted_back_to_the_first_draw():
    made = {name: sum(one.epochs for one in long.lineage(recipe)) for name, recipe in long.RECIPES.items()}
    assert made["plane"] == long.RECIPES["plane"].epochs
    assert made["iwae_1"] == sum(long.RECIPES[name].epochs for name in ("warm_up", "iwae_1"))
    assert made["two_50"] == sum(long.RECIPES[name].epochs for name in ("warm_two", "two_50"))


def test_another_recipe_keeps_other_files(tmp_path, monkeypatch):
    monkeypatch.setattr(long, "WORK", tmp_path)
    ours = long.RECIPES["iwae_1"]
    others = [ours, ours._replace(epochs=1), recipes.Paper(*ours), long.RECIPES["iwae_5"]]
    assert len({long.kept_file("a", recipe, "run") for recipe in others}) == len(others)
    before = long.kept_file("a", ours, "run")
    monkeypatch.setitem(long.RECIPES, "warm_up", long.RECIPES["warm_up"]._replace(epochs=1))
    assert long.kept_file("a", ours, "run") != before  # made from another start


def test_the_papers_schedule_has_its_3280_epochs():
    paper = recipes.Paper(K=1, L=50, epochs=3280, high=1e-3, seed=1, batch=20, doubly=False)
    rates = [paper.rate(each=1)(epoch) for epoch in range(paper.epochs)]
    assert rates[0] == 0.001
    assert rates[1:4] == [0.001 * 10 ** (-1 / 7)] * 3
    assert rates[-1] == pytest.approx(1e-4)
    assert len(set(rates)) == 8


@pytest.mark.parametrize(("name", "power"), [("warm_two", 1), ("warm_top", 2)])
def test_two_layers_warm_up_in_both(name, power):
    """Its first value is log p(x|h1) alone; its last counts log q - log p of h1 and of h2, drawn by hand."""
    with seeded(0):
        model, x = mnist_two_layers(L1=7, L2=3, hidden=5), torch.rand(5, 784).round()
    annealed = long.RECIPES[name].objective(model, steps=2)
    normal = torch.distributions.Normal
    for beta in (0, 0.5, 1, 1):
        with seeded(1):
            value = annealed(x)
        with seeded(1):
            q1 = model.encoder.first(x).base_dist
            h1 = normal(q1.loc, q1.scale).rsample((1,))[0]
            q2 = model.encoder.second(h1).base_dist
            h2 = normal(q2.loc, q2.scale).rsample((1,))[0]
        p1 = model.prior.below(h2).base_dist
        lower = (q1.log_prob(h1) - p1.log_prob(h1)).sum(-1)
        upper = (q2.log_prob(h2) - normal(0.0, 1.0).log_prob(h2)).sum(-1)
        bits = torch.distributions.Bernoulli(logits=model.decoder.decoder.net(h1))
        torch.testing.assert_close(value, bits.log_prob(x).sum(-1) - beta * lower - beta**power * upper)


@pytest.mark.parametrize("name", ["warm_two", "two_1", "two_5", "two_50"])
def test_two_layers_are_built_with_two_and_their_gradient_is_cut_to_its_limit(name):
    recipe, p, q = long.RECIPES[name], torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    assert recipe.build().decoder.L1 == 100
    optimiser = recipe.optimiser([p, q])
    for length, kept in ((500.0, recipes.LONGEST), (5.0, 5.0)):
        p.grad, q.grad = torch.tensor([0.6 * length]), torch.tensor([-0.8 * length])
        optimiser.step()
        torch.testing.assert_close(torch.cat([p.grad, q.grad]), torch.tensor([0.6 * kept, -0.8 * kept]))
    assert p < 0 < q  # and a step was made


def test_the_papers_schedule_trains_the_model_that_was_asked_for(monkeypatch):
    made = {}
    monkeypatch.setattr(long, "make", lambda name, recipe, count: made.update({name: recipe}))
    assert long.main(["--paper", "iwae_5", "two_5"])
    for name, layers in (("iwae_5", 1), ("two_5", 2)):
        recipe, model = made[name], made[name].build()
        assert (recipe.K, recipe.L, recipe.batch, recipe.start) == (5, long.RECIPES[name].L, 20, None)
        assert hasattr(model.decoder, "L1") == (layers == 2)
        assert recipe.optimiser(model.parameters()).defaults["eps"] == 1e-4


@pytest.mark.parametrize("arguments", [["two_3"], ["--check", "two_3"], ["warm_up"]])
def test_only_what_can_be_made_or_checked_is_taken(monkeypatch, arguments):
    monkeypatch.setattr(long, "make", lambda *given: pytest.fail("nothing is to be made"))
    with pytest.raises(SystemExit, match=f"no model {arguments[-1]}; there are plane, "):
        long.main(arguments)

"""The sentence VAE: probabilities by enumeration, its border, and that padding and dropout do only what they may."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chance import assert_mean, assert_share
from torch import nn

from lvmteach.bounds import elbo_analytic
from lvmteach.evaluation import active_units, log_likelihood, log_marginal
from lvmteach.runtime import seeded
from lvmteach.training import train
from lvmteach.vae import sentences as room
from lvmteach.vae.sentences import SentenceDecoder, SentenceEncoder, language_model, nothing, sentence_vae
from lvmteach.vocabulary import END, PAD, START, UNKNOWN
from lvmteach.warm_up import Annealed, free_bits

V, L = 7, 2  # four marks and three words
WORDS = (UNKNOWN, 4, 5, 6)
ROUNDING = 1e-9  # float64, a net of a few hundred terms


def rows(*sentences, width=6):
    return torch.tensor([[*s, END, *[PAD] * (width - len(s) - 1)] for s in sentences])


X = rows([4, 5, 6], [6], [], [5, 5, 4, 6])


def decoder(seed=0, **how):
    with seeded(seed):
        return SentenceDecoder(L, V, embed=5, hidden=6, longest=5, **how).double().eval()


def model(seed=0, **how):
    with seeded(seed):
        return sentence_vae(V, L, embed=5, longest=5, **how).double().eval()


def by_hand(decoder, x, z):
    """log p(x|z) word by word with a GRU written out from its equations."""
    d = {name: p.detach().numpy() for name, p in decoder.named_parameters()}
    h, read, total = np.tanh(d["first.weight"] @ np.append(z, 1.0)), START, 0.0
    for word in x.tolist():
        if word == PAD:
            break
        ins = d["gru.weight_ih_l0"] @ np.concatenate([d["embed.weight"][read], z]) + d["gru.bias_ih_l0"]
        own = d["gru.weight_hh_l0"] @ h + d["gru.bias_hh_l0"]
        (ir, iu, ic), (orr, ou, oc) = np.split(ins, 3), np.split(own, 3)
        reset, update = 1 / (1 + np.exp(-ir - orr)), 1 / (1 + np.exp(-iu - ou))
        h = (1 - update) * np.tanh(ic + reset * oc) + update * h
        logits = d["out.weight"] @ h + d["out.bias"]
        total += logits[word] - np.logaddexp.reduce(logits)
        read = word
    return total


def assert_is_by_hand():
    net = decoder()
    with seeded(1):
        z = torch.randn(3, len(X), L, dtype=torch.float64)
    found = net(z).log_prob(X).detach()
    truth = [[by_hand(net, x, one.numpy()) for x, one in zip(X, zs, strict=True)] for zs in z]
    np.testing.assert_allclose(found, truth, atol=ROUNDING)


def test_log_prob_is_the_net_written_out():
    assert_is_by_hand()


def _all_rows(logits, events):
    return F.cross_entropy(logits, events, reduction="none")


PLANTED = {
    "the target is not shifted": ("before", lambda x: x),
    "no start mark": ("before", lambda x: torch.cat([x[:, :1] * 0, x[:, :-1]], 1)),
    "padding is counted": ("F", SimpleNamespace(pad=F.pad, cross_entropy=lambda a, b, **_: _all_rows(a, b))),
    "the end mark is left out": (
        "F",
        SimpleNamespace(pad=F.pad, cross_entropy=lambda a, b, **_: _all_rows(a, b) * (b > END)),
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen(monkeypatch, bug):
    monkeypatch.setattr(room, *PLANTED[bug])
    with pytest.raises(AssertionError):
        assert_is_by_hand()


def test_all_sentences_sum_to_one():
    """Of up to two words, plus what is left for longer ones: p(no END among the first three events)."""
    net = decoder()
    z = torch.tensor([0.3, -1.0], dtype=torch.float64)
    short = [s for n in range(3) for s in itertools.product((PAD, START, *WORDS), repeat=n)]
    total = sum(math.exp(with_marks(net, s, z, ended=True)) for s in short)
    longer = itertools.product((PAD, START, *WORDS), repeat=3)
    total += sum(math.exp(with_marks(net, s, z, ended=False)) for s in longer)
    assert total == pytest.approx(1, abs=ROUNDING)


def with_marks(net, words, z, ended):
    """log p of a prefix in which any mark may stand, from the logits alone."""
    x = torch.tensor([[*words, END]])
    log_p = net.logits(room.before(x), z[None]).log_softmax(-1).gather(-1, x[..., None])[0, :, 0]
    return (log_p if ended else log_p[:-1]).sum().item()


def test_padding_changes_nothing():
    vae, wide = model(), F.pad(X, (0, 4), value=PAD)
    alone = torch.cat([vae.encoder(x[None, : int((x != PAD).sum())]).mean for x in X])
    torch.testing.assert_close(vae.encoder(wide).mean, alone)
    torch.testing.assert_close(vae.encoder(X).mean, alone)
    with seeded(0):
        narrow_w = vae.log_weights(X, K=3)
    with seeded(0):
        wide_w = vae.log_weights(wide, K=3)
    torch.testing.assert_close(narrow_w, wide_w)


def test_the_encoder_reads_both_ways_and_all_words():
    encoder = model().encoder
    base = encoder(rows([4, 5, 6])).mean
    for other in ([5, 5, 6], [4, 4, 6], [4, 5, 5], [6, 5, 4], [4, 5]):
        assert (encoder(rows(other)).mean - base).abs().max() > 1e-3


def test_words_are_hidden_in_training_only_and_only_from_what_is_read():
    net = decoder(dropout=0.5)
    z = torch.zeros(len(X), L, dtype=torch.float64)
    plain = net(z).log_prob(X)
    torch.testing.assert_close(net(z).log_prob(X), plain)
    net.train()
    with seeded(0):
        assert not torch.equal(net(z).log_prob(X), plain)
    read = torch.full((200, 100), 4)
    read[:, 0] = START
    with seeded(0):
        hidden = room._hidden(read, 0.3)
    assert (hidden[:, 0] == START).all()
    assert_share(int((hidden[:, 1:] == UNKNOWN).sum()), 200 * 99, 0.3, resolution=0.03)
    # An empty sentence reads START alone, so there is nothing to hide: its END is predicted as before.
    torch.testing.assert_close(net(z[2:3]).log_prob(X[2:3]), plain[2:3])


def test_draws_follow_the_probabilities():
    net = decoder()
    z = torch.tensor([0.5, 0.5], dtype=torch.float64)
    with seeded(0), torch.no_grad():
        drawn = net(z).sample((20_000,))
        first = net.logits(torch.tensor([[START]]), z[None])[0, 0]
    assert drawn.shape == (20_000, 5)
    first[[PAD, START]] = -math.inf
    p = first.softmax(-1)
    for word in (END, *WORDS):
        assert_share(int((drawn[:, 0] == word).sum()), len(drawn), float(p[word]), resolution=0.03)
    assert ((drawn == END).cumsum(1)[:, :-1] <= (drawn[:, 1:] == PAD)).all()  # behind an END only padding


def test_greedy_takes_the_largest_each_time():
    net = decoder()
    with seeded(4):
        z = torch.randn(5, L, dtype=torch.float64)
    for zi, row in zip(z, net.greedy(z), strict=True):
        prefix = []
        for word in row.tolist():
            if word == PAD:
                break
            logits = net.logits(torch.tensor([[START, *prefix]]), zi[None])[0, -1]
            logits[[PAD, START]] = -math.inf
            assert word == int(logits.argmax())
            prefix.append(word)


def grid_log_p(vae, x, n=60, reach=5.0):
    """log p(x) by a midpoint rule over the plane of z."""
    edge = reach * (2 * (torch.arange(n, dtype=torch.float64) + 0.5) / n - 1)
    z = torch.cartesian_prod(edge, edge)
    area = math.log((2 * reach / n) ** 2)
    return torch.logsumexp(vae.log_joint(x, z[:, None]), 0) + area


@pytest.mark.slow
def test_log_marginal_is_quadrature():
    vae = model()
    with torch.no_grad():
        truth = grid_log_p(vae, X)
    with seeded(0):
        found = log_marginal(vae, X, K=20_000)
    np.testing.assert_allclose(found, truth, atol=0.02)
    assert log_likelihood(vae, X, K=10).value.isfinite()
    assert active_units(vae, X).shape == (L,)


@pytest.mark.slow
def test_the_elbo_is_below_log_p_and_terms_agree_with_log_weights():
    vae = model()
    many = X[:1].expand(20_000, -1)
    with seeded(0), torch.no_grad():
        by_weights = vae.log_weights(many)[0]
        by_terms = elbo_analytic(*vae.terms(many))
        truth = grid_log_p(vae, X[:1])
    assert_mean(by_weights - by_terms, 0.0, resolution=0.05)
    assert by_weights.mean() < truth


def test_without_z_it_is_a_language_model():
    with seeded(0):
        lm = language_model(V, embed=5, longest=5)
    assert lm(nothing(X)).log_prob(X).shape == (4,)
    assert lm(nothing(X)).sample().shape == (4, 5)


@pytest.mark.slow
def test_it_learns_and_the_loop_takes_it():
    with seeded(0):
        x = X[torch.randint(len(X), (200,))]
        vae = sentence_vae(V, L, embed=8, longest=6)
        history = train(
            Annealed(vae, 50), lambda m, x: -m(x).mean(), x, steps=150, batch_size=50, lr=1e-2, progress=False
        )
    assert history.loss[-20:].mean() < 1.6  # four sentences drawn uniformly: log 4 = 1.39 nats is the floor
    assert history.loss[0] > 4  # untrained: about log 7 for each of three events on average


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.tensor([[4, 5, PAD]]), r"got \[4, 5, 0\] in row 0"),
        (torch.tensor([[END, 4, PAD]]), "a row of x must be words, one END"),
        (torch.tensor([[4, PAD, END]]), "a row of x must be words, one END"),
        (torch.tensor([[END, END]]), "a row of x must be words, one END"),
        (torch.tensor([[START, END]]), "a row of x must be words, one END"),
        (torch.tensor([[PAD, PAD]]), "a row of x must be words, one END"),
        (torch.tensor([[7, END]]), r"word numbers from 0 to 6, got 2 to 7"),
        (torch.tensor([[4.0, 2.0]]), r"word numbers, int64, got torch\.float32"),
        (torch.tensor([4, END]), r"x must be \(B, D\)"),
    ],
)
def test_what_is_no_sentence_is_refused(as_users_run_it, x, words):
    with pytest.raises(ValueError, match=words):
        model().log_weights(x)


def test_dropout_is_a_share():
    with pytest.raises(ValueError, match="dropout must be at least 0 and below 1, got 1"):
        SentenceDecoder(L, V, dropout=1)


# ---- the objectives


def test_free_bits_hold_the_mean_of_the_batch():
    kl = torch.tensor([0.5, 3.5], requires_grad=True)
    assert free_bits(kl, 3.0).tolist() == [3.0, 3.0]
    free_bits(kl, 3.0).mean().backward()
    assert kl.grad.tolist() == [0.0, 0.0]
    assert free_bits(kl.detach(), 1.0).tolist() == [2.0, 2.0]  # not 0.5 lifted to 1 and 3.5: the mean decides
    kl.grad = None
    free_bits(kl, 1.0).mean().backward()
    assert kl.grad.tolist() == [0.5, 0.5]


class Fixed(nn.Module):
    """log p(x|z) = -10 and KL = 2 for every x."""

    def terms(self, x):
        return torch.full((1, len(x)), -10.0), torch.full((len(x),), 2.0)


def test_the_weight_rises_in_training_and_validation_leaves_it():
    objective = Annealed(Fixed(), 4, beta=0.8)
    x = torch.zeros(3, 1)
    for step in range(7):
        objective.eval()
        before = objective(x)
        torch.testing.assert_close(objective.train()(x), before)
        torch.testing.assert_close(before, torch.full((3,), -10 - 2 * 0.8 * min(step / 4, 1)))
    torch.testing.assert_close(Annealed(Fixed(), free=3.0)(x), torch.full((3,), -13.0))
    torch.testing.assert_close(Annealed(Fixed())(x), torch.full((3,), -12.0))


def test_nonsense_weights_are_refused():
    with pytest.raises(ValueError, match="beta and free must not be negative, got -1 and 0"):
        Annealed(Fixed(), beta=-1)


def test_the_encoder_has_no_padding_word_to_learn():
    """The gradient that reaches PAD's vector is zero: no q and no word depends on it."""
    with seeded(0):
        encoder = SentenceEncoder(V, L, embed=5)
    encoder(X).mean.sum().backward()
    assert encoder.embed.weight.grad[PAD].abs().max() == 0

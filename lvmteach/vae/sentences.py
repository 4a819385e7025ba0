"""Encoder and decoder for sentences: p(x|z) word by word, each word given z and all words before it.

    log p(x|z) = sum_t log p(x_t | x_<t, z)        summed over the words and the END, in nats

A decoder that sees the words before needs no z to fit the data: with L = 0 it is a recurrent language model. Rows of
x are words, END, PAD (`lvmteach.vocabulary`); how much padding stands behind a sentence changes nothing.

Source: Bowman, Vilnis, Vinyals, Dai, Jozefowicz and Bengio 2016.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from lvmteach.annotated import as_annotated
from lvmteach.vae.model import VAE
from lvmteach.vae.parts import gaussian
from lvmteach.vae.priors import StandardNormal
from lvmteach.vocabulary import END, MARKS, PAD, START, UNKNOWN, lengths


class SentenceEncoder(nn.Module):
    """q(z|x) = N(mu(x), diag sigma(x)^2): two recurrent nets, one a direction, averaged over the events.

    Args:
        V, L: words in the vocabulary, dimensions of z.
        embed, hidden: size of a word's vector, and of each net's state.
    """

    def __init__(self, V: int, L: int, embed: int = 48, hidden: int = 64):
        super().__init__()
        self.embed = nn.Embedding(V, embed)
        self.onward = nn.GRU(embed, hidden, batch_first=True)
        self.backward_ = nn.GRU(embed, hidden, batch_first=True)
        self.out = nn.Linear(2 * hidden, 2 * L)

    @as_annotated
    def forward(self, x: Int[Tensor, "B T"]) -> Independent:
        x = _trimmed(x)
        real = (x != PAD)[..., None]
        # The net that reads backwards starts at END, not at the padding: a sentence's q is its own.
        ahead, back = self.onward(self.embed(x))[0], self.backward_(self.embed(_reversed(x)))[0]
        mean = torch.cat([(ahead * real).sum(1), (back * real).sum(1)], -1) / real.sum(1)
        mu, s = self.out(mean).chunk(2, -1)
        return gaussian(mu, s.exp())


class SentenceDecoder(nn.Module):
    """p(x|z) by a recurrent net that starts in a state made of z, and reads z beside each word.

    Args:
        L, V: dimensions of z (0 makes a language model without latent variable), words in the vocabulary.
        embed, hidden: size of a word's vector, and of the net's state.
        longest: events in the longest sentence it draws.
        dropout: the share of words it reads that become UNKNOWN while it is trained, so that it has to ask z. What
            it must predict stays whole, and so does START.
    """

    tokens = True  # what `VAE.check` asks for: whole numbers, not reals

    def __init__(self, L: int, V: int, embed: int = 48, hidden: int = 96, longest: int = 15, dropout: float = 0.0):
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}; 0.5 hides every second word")
        self.L, self.V, self.longest, self.dropout = L, V, longest, dropout
        self.embed = nn.Embedding(V, embed)
        self.first = nn.Linear(L + 1, hidden, bias=False)  # the last column is the bias, and stands alone at L = 0
        self.gru = nn.GRU(embed + L, hidden, batch_first=True)
        self.out = nn.Linear(hidden, V)

    @as_annotated
    def forward(self, z: Float[Tensor, "*B L"]) -> Sentences:
        return Sentences(self, z)

    @as_annotated
    def logits(self, read: Int[Tensor, "B T"], z: Float[Tensor, "B L"]) -> Float[Tensor, "B T V"]:
        """Of each next word, given the words read so far."""
        beside = z[:, None].expand(-1, read.shape[1], -1)
        states, _ = self.gru(torch.cat([self.embed(read), beside], -1), self.start(z)[None])
        return self.out(states)

    @as_annotated
    def start(self, z: Float[Tensor, "B L"]) -> Float[Tensor, "B H"]:
        """The state before any word is read."""
        return self.first(F.pad(z, (0, 1), value=1.0)).tanh()

    @as_annotated
    def greedy(self, z: Float[Tensor, "B L"]) -> Int[Tensor, "B T"]:
        """The most probable next word each time, up to END: not always the most probable sentence."""
        with torch.no_grad():
            return self._written(z, lambda logits: logits.argmax(-1))

    @as_annotated
    def drawn(self, z: Float[Tensor, "B L"]) -> Int[Tensor, "B T"]:
        """A sentence x ~ p(x|z) for each z."""
        with torch.no_grad():
            return self._written(z, lambda logits: torch.multinomial(logits.softmax(-1), 1)[:, 0])

    @as_annotated
    def check(self, x: Tensor) -> None:
        """Refuse rows that are no sentences.

        Raises:
            ValueError: numbers outside the vocabulary, a row without its one END, words behind it, a START within.
        """
        low, high = (int(end) for end in x.aminmax())
        if low < 0 or high >= self.V:
            raise ValueError(f"x must hold word numbers from 0 to {self.V - 1}, got {low} to {high}; encode it anew")
        at_end = x.gather(1, (lengths(x) - 1).clamp(min=0)[:, None])[:, 0] == END
        bad = ~(
            at_end & ((x == END).sum(1) == 1) & ((x == PAD).cumsum(1)[:, -1] == (x == PAD).flip(1).cumprod(1).sum(1))
        )
        bad |= (x == START).any(1)
        if bad.any():
            row = int(bad.nonzero()[0])
            raise ValueError(
                f"a row of x must be words, one END ({END}), then PAD ({PAD}) only, got {x[row].tolist()} in row {row} "
                f"({int(bad.sum())} in all); Vocabulary.encode makes such rows"
            )

    def _written(self, z: Tensor, choose) -> Tensor:
        word = torch.full((len(z),), START, device=z.device)
        state, over, words = self.start(z)[None], torch.zeros(len(z), dtype=torch.bool, device=z.device), []
        for _ in range(self.longest):
            out, state = self.gru(torch.cat([self.embed(word), z], -1)[:, None], state)
            logits = self.out(out[:, 0])
            logits[:, [PAD, START]] = -math.inf  # no sentence has them, and training drives them there
            word = torch.where(over, PAD, choose(logits))
            words.append(word)
            over = over | (word == END)
        return torch.stack(words, 1)


class Sentences(Distribution):
    """p(x|z) for a batch of z (*B, L); an event is a row of T numbers. Made by a `SentenceDecoder`."""

    arg_constraints: ClassVar[dict] = {}
    support = constraints.independent(constraints.nonnegative_integer, 1)

    def __init__(self, decoder: SentenceDecoder, z: Float[Tensor, "*B L"]):
        self.decoder, self.z = decoder, z
        super().__init__(z.shape[:-1], torch.Size([decoder.longest]), validate_args=False)

    @as_annotated
    def log_prob(self, x: Int[Tensor, "*B T"]) -> Float[Tensor, "*KB"]:
        """In nats, summed over the words and the END. Rows of x (B, T) serve every z (K, B, L).

        While its decoder is trained (`decoder.training`), words it reads are hidden with probability `dropout`.
        """
        decoder, x = self.decoder, _trimmed(x)
        batch = torch.broadcast_shapes(self.batch_shape, x.shape[:-1])
        rows = x.expand(*batch, -1).reshape(-1, x.shape[-1])
        z = self.z.expand(*batch, decoder.L).reshape(len(rows), decoder.L)
        logits = decoder.logits(_hidden(before(rows), decoder.dropout * decoder.training), z)
        log_p = F.cross_entropy(logits.flatten(0, 1), rows.flatten(), ignore_index=PAD, reduction="none")
        return -log_p.view(rows.shape).sum(-1).view(batch)

    def sample(self, sample_shape=()) -> Int[Tensor, "*B T"]:
        """Drawn word by word; a row that does not end within `longest` events has no END."""
        batch = (*sample_shape, *self.batch_shape)
        z = self.z.expand(*batch, self.decoder.L).reshape(math.prod(batch), self.decoder.L)
        return self.decoder.drawn(z).view(*batch, -1)


@as_annotated
def before(x: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """What is read when each event is to be told: START, then all but the last."""
    return torch.cat([torch.full_like(x[:, :1], START), x[:, :-1]], 1)


def sentence_vae(V: int, L: int = 16, *, embed: int = 48, longest: int = 15, dropout: float = 0.0) -> VAE:
    """The sentence VAE of Bowman et al. 2016, small: recurrent encoder and decoder, standard normal prior."""
    decoder = SentenceDecoder(L, V, embed, longest=longest, dropout=dropout)
    return VAE(SentenceEncoder(V, L, embed), decoder, StandardNormal(L))


def language_model(V: int, *, embed: int = 48, longest: int = 15) -> SentenceDecoder:
    """The same recurrent net without z: `language_model(V)(nothing(x)).log_prob(x)`."""
    return SentenceDecoder(0, V, embed, longest=longest)


@as_annotated
def nothing(x: Int[Tensor, "B T"]) -> Float[Tensor, "B 0"]:
    """A z of no dimensions for each sentence."""
    return torch.empty(len(x), 0, device=x.device)


def _hidden(read: Tensor, dropout: float) -> Tensor:
    if not dropout:
        return read
    gone = (torch.rand(read.shape, device=read.device) < dropout) & (read >= len(MARKS))
    return torch.where(gone, UNKNOWN, read)


def _reversed(x: Tensor) -> Tensor:
    """Each sentence from its END to its first word; padding stays behind."""
    t = torch.arange(x.shape[1], device=x.device)
    last = lengths(x)[:, None] - 1
    return x.gather(1, torch.where(t <= last, last - t, t))


def _trimmed(x: Tensor) -> Tensor:
    """Without the columns that hold padding alone. A GPU would wait for the answer: there they stay."""
    return x if x.device.type != "cpu" else x[..., : int((x != PAD).sum(-1).max())]

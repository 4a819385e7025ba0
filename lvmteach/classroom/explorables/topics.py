"""A plane through the sentence VAE's z, and what the decoder writes there, one most probable word after the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.data.language import GRAMMAR, language_vocabulary, sentences
from lvmteach.runtime import seeded
from lvmteach.vae.pretrained import pretrained_sentences
from lvmteach.vae.sentences import SentenceDecoder
from lvmteach.vocabulary import END, PAD

TITLE = "A walk through topics"
STILLS = ({"place": (-1.2, 0.9)},)


class Values(NamedTuple):
    place: tuple[float, float] = (1.4, 0.2)


class Result(NamedTuple):
    written: Tensor  # (T,), numbers of the words, END, 0 behind it
    log_p: Tensor  # (T,), log p of each given the words before and z, nats
    total: Tensor  # their sum


def payload() -> dict[str, Any]:
    """The packaged model's decoder, and codes of 400 sentences in the plane that holds the topics' means best."""
    model, _ = pretrained_sentences()
    decoder = model.decoder
    with seeded(12), torch.no_grad():
        shown = sentences(400)
        mu = model.encoder(shown.x).mean
    axes = plane_of(mu, shown.topic).half().float()
    gru = decoder.gru
    return {
        "sizes": [decoder.V, decoder.embed.embedding_dim, decoder.L, gru.hidden_size, decoder.longest],
        "embed": decoder.embed.weight, "first": decoder.first.weight,
        "inW": gru.weight_ih_l0, "inB": gru.bias_ih_l0, "ownW": gru.weight_hh_l0, "ownB": gru.bias_hh_l0,
        "outW": decoder.out.weight, "outB": decoder.out.bias,
        "axes": axes, "codes": (mu @ axes.T).half().numpy(), "topics": shown.topic.numpy().astype(np.uint8),
        "words": " ".join(language_vocabulary().words), "names": " ".join(topic.name for topic in GRAMMAR.topics),
    }  # fmt: skip


def plane_of(mu: Tensor, topic: Tensor) -> Tensor:
    """Two orthogonal directions of unit length (2, L) in which the topics' mean codes spread most."""
    means = torch.stack([mu[topic == k].mean(0) for k in range(len(GRAMMAR.topics))])
    return torch.linalg.svd(means - means.mean(0)).Vh[:2]


def decoder_of(data: dict[str, Any]) -> SentenceDecoder:
    """torch's own decoder in float64, with the weights of the payload."""
    V, E, L, H, longest = data["sizes"]
    decoder = SentenceDecoder(L, V, E, H, longest)
    names = {
        "embed.weight": "embed", "first.weight": "first", "out.weight": "outW", "out.bias": "outB",
        "gru.weight_ih_l0": "inW", "gru.bias_ih_l0": "inB", "gru.weight_hh_l0": "ownW", "gru.bias_hh_l0": "ownB",
    }  # fmt: skip
    shapes = {name: part.shape for name, part in decoder.named_parameters()}
    decoder.double().load_state_dict({name: _numbers(data[key]).view(shapes[name]) for name, key in names.items()})
    return decoder.eval()


def compute(values: Values, data: dict[str, Any]) -> Result:
    decoder: nn.Module = decoder_of(data)
    z = numbers(values.place) @ _numbers(data["axes"]).view(2, -1)
    x = decoder.greedy(z[None])
    # PAD and START are never written: they have no share of the probability either.
    logits = decoder.logits(_before(x), z[None])
    logits[..., :END] = -torch.inf
    log_p = logits.log_softmax(-1).gather(-1, x[..., None])[0, :, 0].where(x[0] != PAD, 0.0)
    return Result(x[0], log_p, log_p.sum())


def words(result: Result, values: Values) -> str:
    u, v = values.place
    return f"at ({u:.2f}, {v:.2f}); log p of the sentence given z, {result.total:.2f} nats"


def _before(x: Tensor) -> Tensor:
    return nn.functional.pad(x[:, :-1], (1, 0), value=1)


def _numbers(value: Any) -> Tensor:
    return numbers(value.detach() if isinstance(value, Tensor) else value)

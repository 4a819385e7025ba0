"""What the KL term and the likelihood did while sentence models were trained, by step, three runs a setting."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.data.language import language_vocabulary, read, sentences
from lvmteach.runtime import seeded
from lvmteach.vae.pretrained import sentence_runs

TITLE = "Collapse, step by step"
STILLS = ({"setting": 1},)
SETTINGS = ("no z", "plain", "annealed", "free bits", "word dropout")


class Values(NamedTuple):
    setting: int = 2
    at: int = 19


class Result(NamedTuple):
    kl: Tensor  # (seeds,), nats
    nll: Tensor  # (seeds,), nats a sentence
    step: int
    above: float  # the mean of nll, over the parser's own
    beta: float  # weight of the KL term at that step


def payload() -> dict[str, Any]:
    """The record of the package: `python -m benchmarks.sentences` made it. Runs in rows, setting after setting."""
    runs = [[run for run in sentence_runs() if run["setting"] == setting] for setting in SETTINGS]
    rows = [run for some in runs for run in some]
    tables = {name: np.array([run[name] for run in rows], np.float64).ravel() for name in ("kl", "nll")}
    counts = [len(some) for some in runs]
    step = np.array(rows[0]["step"], np.int32)
    return {"step": step, **tables, "settings": ",".join(SETTINGS), "counts": counts, "floor": floor()}


def floor(watched: int = 300) -> float:
    """The parser's own negative log-likelihood of the sentences that the runs were watched on, nats a sentence."""
    with seeded(11):
        sentences(20_000)  # those the runs learnt from
        x = sentences(2000).x[:watched]
    return -float(np.mean([read(sentence).log_prob for sentence in language_vocabulary().decode(x)]))


def compute(values: Values, data: dict[str, Any]) -> Result:
    step = np.asarray(data["step"])
    first, count = sum(data["counts"][: values.setting]), data["counts"][values.setting]
    kl, nll = (numbers(data[name]).view(-1, len(step))[first : first + count, values.at] for name in ("kl", "nll"))
    rising = min(float(step[values.at]) / (float(step[-1]) / 2), 1.0)
    beta = {"annealed": rising, "no z": 0.0}.get(SETTINGS[values.setting], 1.0)
    return Result(kl, nll, int(step[values.at]), float(nll.mean()) - data["floor"], beta)


def words(result: Result, values: Values) -> str:
    kl, nll = (", ".join(f"{value:.2f}" for value in part.tolist()) for part in (result.kl, result.nll))
    head = f"step {result.step}, KL weight {result.beta:.2f}: KL {kl}; NLL {nll} nats"
    return f"{head}, {result.above:.2f} above the parser's"

"""Models of the generated language: the runs that notebook 11 and its demos show, and the model that is packaged.

    python -m benchmarks.sentences SETTING SEED   one run, to build/sentences/; SETTING is a row of the table below
    python -m benchmarks.sentences collect        all finished runs into the package's record of them
    python -m benchmarks.sentences package        the packaged model with its card
    python -m benchmarks.sentences check          the card beside the packaged model, and beside the recipe run again

| setting | what it is |
|---|---|
| no z | a recurrent net alone |
| plain | the ELBO |
| annealed | the KL term's weight rises from 0 to 1 over the first half |
| free bits | four nats of KL cost nothing |
| word dropout | half the words the decoder reads are hidden in training |

Each run is 2000 steps of 64 sentences with the same nets and rates: 20 to 45 seconds on one core.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benchmarks.long import _processor
from lvmteach.checkpoints import data_hash, save
from lvmteach.data.language import Corpus, entropy, language_vocabulary, read, sentences
from lvmteach.evaluation import active_units, log_likelihood
from lvmteach.runtime import seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE
from lvmteach.vae.pretrained import FOLDER, SENTENCES, pretrained_sentences
from lvmteach.vae.sentences import language_model, nothing, sentence_vae
from lvmteach.warm_up import Annealed

WORK = Path("build/sentences")
STEPS, BATCH, HIGH, LOW = 2000, 64, 3e-3, 1e-4
SEEDS = (0, 1, 2)
SETTINGS = {
    "no z": None,
    "plain": {},
    "annealed": {"steps": STEPS // 2},
    "free bits": {"free": 4.0},
    "word dropout": {"dropout": 0.5},
}
WATCHED, WATCHED_K, TESTED_K, PACKAGED_K = 300, 16, 50, 100


def data() -> tuple[Corpus, Corpus]:
    """20000 sentences to learn from, 2000 to test on: the notebook's."""
    with seeded(11):
        return sentences(20_000), sentences(2000)


def nll(model: VAE, x: Tensor, K: int) -> float:
    """-log p(x) in nats a sentence, by importance sampling."""
    with seeded(0):
        return -float(log_likelihood(model, x, K).value)


def run(setting: str, seed: int) -> dict:
    """Train once; what KL and NLL did on the way, and where they ended."""
    how, (learnt, test) = SETTINGS[setting], data()
    V = len(language_vocabulary())
    record = {"setting": setting, "seed": seed, "step": [], "kl": [], "nll": []}
    with seeded(seed):
        if how is None:
            model = language_model(V)
            loss = lambda m, x: -m(nothing(x)).log_prob(x).mean()  # noqa: E731
            objective = model
        else:
            weights = {name: value for name, value in how.items() if name != "dropout"}
            model = sentence_vae(V, dropout=how.get("dropout", 0.0))
            objective, loss = Annealed(model, **weights), lambda m, x: -m(x).mean()

        def watch(history) -> None:
            record["step"].append(len(history.loss))
            for name, value in measured(model, test.x[:WATCHED], WATCHED_K).items():
                record[name].append(round(value, 3))

        fit = train(
            objective, loss, learnt.x, steps=STEPS, batch_size=BATCH, lr=cosine(HIGH, LOW, STEPS), valid=test.x[:2],
            valid_every=100, watch=watch, progress=False,
        )  # fmt: skip
    record |= {f"test_{name}": round(value, 4) for name, value in measured(model, test.x, TESTED_K).items()}
    record |= {"K": TESTED_K, "seconds": round(fit.seconds, 1)}
    if how is not None:
        record |= {"active_units": int(active_units(model, test.x).sum()), "topic": topic_accuracy(model, test)}
    return record


def measured(model, x: Tensor, K: int) -> dict[str, float]:
    """Mean KL and NLL, in nats a sentence."""
    training = model.training
    model.eval()
    with torch.no_grad():
        if isinstance(model, VAE):
            found = {"kl": float(model.kl(x).mean()), "nll": nll(model, x, K)}
        else:
            found = {"kl": 0.0, "nll": -float(model(nothing(x)).log_prob(x).mean())}
    model.train(training)
    return found


def topic_accuracy(model: VAE, test: Corpus, sample: bool = False) -> float:
    """How often logistic regression tells the topic, on the half it was not fitted to; from mu(x), or from z ~ q(z|x).

    From the mean it is no measure of what z says: means a hundredth apart are told apart, draws are not.
    """
    with seeded(0), torch.no_grad():
        q = model.encoder(test.x)
        z = (q.sample() if sample else q.mean).numpy()
    half = len(z) // 2
    rule = LogisticRegression(max_iter=1000).fit(z[:half], test.topic[:half])
    return round(float(rule.score(z[half:], test.topic[half:])), 3)


class Recipe(NamedTuple):
    """The packaged model's: annealed, with a little word dropout, so that z holds the topic."""

    L: int = 4
    steps: int = 3000
    rise: int = 750  # steps in which the KL term's weight goes from 0 to 1
    dropout: float = 0.3
    seed: int = 0


def trained(recipe: Recipe) -> VAE:
    """The model after its last step, rounded to half precision."""
    with seeded(recipe.seed):
        model = sentence_vae(len(language_vocabulary()), recipe.L, dropout=recipe.dropout)
        train(
            Annealed(model, recipe.rise), lambda m, x: -m(x).mean(), data()[0].x, steps=recipe.steps, batch_size=BATCH,
            lr=cosine(HIGH, LOW, recipe.steps), progress=False,
        )  # fmt: skip
    return model.half().float().eval()


def described(model: VAE, recipe: Recipe) -> dict:
    """The model's card: what it was made of, and what it does on the test sentences."""
    learnt, test = data()
    found = measured(model, test.x, PACKAGED_K)
    with seeded(1), torch.no_grad():
        drawn = model.decoder(model.prior().sample((1000,))).sample()
    legal = [read(sentence) is not None for sentence in language_vocabulary().decode(drawn)]
    return {
        "name": SENTENCES,
        "L": recipe.L,
        "steps": recipe.steps,
        "schedule": f"Adam, batches of {BATCH}, learning rate {HIGH:g} to {LOW:g} along half a cosine",
        "objective": f"ELBO; KL weight from 0 to 1 over {recipe.rise} steps; word dropout {recipe.dropout:g}",
        "seed": recipe.seed,
        "data": "lvmteach.data.language: 20000 sentences, seed 11",
        "data_sha256": data_hash(learnt.x),
        "entropy": round(entropy(), 4),
        "test_log_likelihood": round(-found["nll"], 3),
        "test_kl": round(found["kl"], 3),
        "eval_K": PACKAGED_K,
        "eval_sentences": len(test.x),
        "active_units": int(active_units(model, test.x).sum()),
        "topic_from_mean": topic_accuracy(model, test),
        "topic_from_sample": topic_accuracy(model, test, sample=True),
        "legal_sentences": round(sum(legal) / len(legal), 3),
        "hardware": f"{_processor()}, torch {torch.__version__}, {torch.get_num_threads()} thread(s)",
        "date": date.today().isoformat(),
        "command": "python -m benchmarks.sentences package",
    }


def package(recipe: Recipe) -> None:
    """Train the model, and put it into the package with its card."""
    model = trained(recipe)
    card = described(model, recipe)
    save(model.half(), FOLDER / f"{SENTENCES}.safetensors")
    (FOLDER / f"{SENTENCES}.json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card, indent=2))


def check(recipe: Recipe) -> None:
    """The card beside what its model does today, and beside what the recipe makes today. Writes nothing."""
    packaged, card = pretrained_sentences()
    again = trained(recipe)
    pairs = zip(packaged.parameters(), again.parameters(), strict=True)
    moved = max(float((a - b).detach().abs().max()) for a, b in pairs)
    today, anew = described(packaged, recipe), described(again, recipe)
    for name, value in card.items():
        if (value, value) != (today[name], anew[name]):
            print(f"{name}: card {value}; its model today {today[name]}; the recipe today {anew[name]}")
    print(f"largest difference of a weight: {moved:.2g}")


def collect() -> None:
    """The finished runs, in the settings' order, as one file of the package."""
    found = [WORK / f"{setting}.{seed}.json" for setting in SETTINGS for seed in SEEDS]
    runs = [json.loads(file.read_text()) for file in found if file.exists()]
    lines = ",\n".join(json.dumps(one) for one in runs)
    (FOLDER / f"{SENTENCES}_runs.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(runs)} of {len(found)} runs")


def main(arguments: list[str]) -> None:
    """Run, collect, package or check."""
    if arguments == ["collect"]:
        collect()
    elif arguments == ["package"]:
        package(Recipe())
    elif arguments == ["check"]:
        check(Recipe())
    elif len(arguments) == 2 and arguments[0] in SETTINGS and arguments[1].isdigit():
        WORK.mkdir(parents=True, exist_ok=True)
        record = run(arguments[0], int(arguments[1]))
        (WORK / f"{arguments[0]}.{arguments[1]}.json").write_text(json.dumps(record))
        print({name: value for name, value in record.items() if not isinstance(value, list)}, flush=True)
    else:
        raise SystemExit(f"say collect, package, check, or a setting and a seed; settings are {', '.join(SETTINGS)}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""From many starts, no step, a few, or many; steps that cannot be taken."""

import itertools

import numpy as np


def settings():
    starts = np.linspace(-1, 4.5, 23).round(2).tolist()
    steps = ("", "M", "E", "EM", "ME", "EE", "EME", "EMM", "EMEM", "EMEMEME", 12 * "EM", 30 * "EM")
    return [{"first": first, "steps": one} for first, one in itertools.product(starts, steps)]


def action_lists():
    rng = np.random.default_rng(2)
    labels = ["E step", "M step", "E step", "M step", "Start again"]
    return [[[labels[i]] for i in rng.integers(0, 5, 12)] for _ in range(8)]


BUGS = [
    ("Math.log(0.5)", "Math.log(0.6)"),
    ("normalLogPdf(one, 0, 1)", "normalLogPdf(one, 0.1, 1)"),
    ("Math.exp(row[1] - logSumExp(row))", "Math.exp(row[0] - logSumExp(row))"),
    ("l - Math.log(q)", "l + Math.log(q)"),
    ("part(1 - q[n], a)", "part(1 - q[n], b)"),
    ('letter === "M" && !q', "false"),
    ("/ mean(q)", "/ 0.5"),
    ("posteriors.slice(-SHOWN)", "posteriors.slice(0, SHOWN)"),
    ("logP(x, touched.at(-1))", "logP(x, touched[0])"),
    ("elbo: q ? elbo(x, q, theta) : log_p", "elbo: q ? elbo(x, q, touched.at(-1)) : log_p"),
    ("letters.length", "letters.length + 1"),
    ("linspace(-1, 4.5, 111)", "linspace(-1, 4.4, 111)"),
    ('(steps + "E").slice(0, 60)', '(steps + "E").slice(0, 4)'),
]

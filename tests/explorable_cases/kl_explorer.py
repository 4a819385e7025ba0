"""q by hand over the whole plane; both fits from starts near either hump and between them."""

import itertools

import numpy as np

FITS = ("by hand", "least KL(q || p)", "least KL(p || q)")


def settings():
    rng = np.random.default_rng(0)
    hand = [
        {"peak": (m, h), "fit": FITS[0], "apart": a}
        for m, h, a in zip(rng.uniform(-6, 6, 100), rng.uniform(0, 0.8, 100), rng.uniform(0, 8, 100), strict=True)
    ]
    starts = itertools.product((-3.3, -1.2, 0.1, 0.9, 2.7), (0.1, 0.25, 0.6), (0.0, 0.7, 2.0, 3.3, 4.0, 6.5, 8.0))
    return [*hand, *({"peak": (m, h), "fit": FITS[1 + (i % 4 == 0)], "apart": a} for i, (m, h, a) in enumerate(starts))]


BUGS = [
    ("-apart / 2, 0.6", "-apart / 2, 0.61"),
    ("+ Math.log(0.6)", "+ Math.log(0.4)"),
    ("if (q > 0) total", "if (q > 1e-6) total"),
    ("logQ[i] - logP[i]", "logP[i] - logQ[i]"),
    ("clip(height, 0.04, TOP)", "clip(height, 0.05, TOP)"),
    ("wide = e[2] - e[0]", "wide = e[2]"),
    ("(Z[i] - m) ** 2", "Z[i] ** 2"),
    ("forward: kl(logPost, logQ)", "forward: kl(logJoint, logQ)"),
    ("0 : m, 2)", "0 : m, 1)"),
    ("const LOG_P_X = -2;", "const LOG_P_X = -2.001;"),
]

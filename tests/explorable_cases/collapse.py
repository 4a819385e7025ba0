"""Every setting at every look, twice over, in two orders."""


def settings():
    every = [{"setting": setting, "at": at} for setting in range(5) for at in range(20)]
    return [*every, *reversed(every), *every]


BUGS = [
    ("table[row * T + at]", "table[row + T * at]"),
    ("counts.slice(0, k)", "counts.slice(0, 1)"),
    ("nll: of(nll), step", "nll: of(kl), step"),
    ("step: step[at]", "step: step[T - 1]"),
    ("mean(found.nll) - floor", "mean(found.nll)"),
    ("setting === 2 ? Math.min", "setting === 1 ? Math.min"),
    ("(step[T - 1] / 2), 1)", "step[T - 1], 1)"),
    ("setting === 0 ? 0 : 1", "1"),
    ("fixed(above, 2)", "fixed(above, 1)"),
    ("KL weight ${fixed(beta, 2)}", "KL weight ${fixed(beta, 1)}"),
]

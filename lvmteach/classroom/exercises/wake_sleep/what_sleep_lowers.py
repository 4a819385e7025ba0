"""Two divergences."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

what_sleep_lowers = Choice(
    ask="Small sleep steps, with very many dreams, of a machine whose dreams are not the data. What is sure to fall?",
    options={
        "a": "KL(q || p), averaged over the data",
        "b": "KL(p || q), averaged over the data",
        "c": "KL(q || p), averaged over the machine's dreams",
        "d": "KL(p || q), averaged over the machine's dreams",
        "e": "minus the ELBO, averaged over the data",
    },
    feedback={
        "a": "Wrong twice: sleep averages under p, and it never saw the data. This one is what the bound asks for.",
        "b": "The right direction, on the wrong images: an image that is never dreamt teaches nothing.",
        "c": "The right images, in the wrong direction: the targets are drawn from p, so the average is under p.",
        "d": "The dreams (x, z) come from p. So sleep climbs E_p[log q(z|x)], and what it climbs is minus this "
        "divergence, plus a constant that does not know the recognition net.",
        "e": "log p(x) does not know the recognition net, so this is KL(q || p) on the data in disguise: not sure to "
        "fall.",
    },
    right="d",
)

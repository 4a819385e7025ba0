"""Stage 06: gradient estimators. Draws, noise and uniforms come in as numbers, so nothing here is left to chance."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.checks.compare import CloseWithGradients
from lvmteach.classroom.checks.engine import Choice, Exercise, drawing

# A surrogate loss ----------------------------------------------------------------------------------------------------


def _surrogate(f_z, log_q):
    zero = log_q - log_q.detach()
    return (f_z + f_z.detach() * zero).mean(0)


@drawing
def _values_and_log_probs(draw):
    shapes = [(3,), (5, 2), (4, 2, 3), (1, 2)]
    return [((2 + draw(*s)).requires_grad_(), (draw(*s) - 1.3).requires_grad_()) for s in shapes]


def _surrogate_by_loop(f_z, log_q):
    total = torch.zeros_like(f_z[0])
    for value, log_prob in zip(f_z, log_q, strict=True):
        score_part = value.detach() * log_prob
        total = total + value + score_part - score_part.detach()
    return total / len(f_z)


surrogate = Exercise(
    ask="Return a loss whose value is the mean of f and whose gradient is the score-function estimate.",
    reference=_surrogate,
    cases=_values_and_log_probs,
    compare=CloseWithGradients(),
    misconceptions={
        "The score does not enter: autograd cannot know that other parameters would have drawn other z. Add a term "
        "of value zero whose gradient is f times the score.": lambda f_z, log_q: f_z.mean(0),
        "Its value means nothing, and f's own dependence on the parameters gets no gradient. You need the mean of f "
        "as well, and a score term of value zero.": lambda f_z, log_q: (f_z.detach() * log_q).mean(0),
        "In this product f's own gradient is multiplied by log q. Inside the score term f is a number: hold it fixed "
        "there.": lambda f_z, log_q: (f_z * log_q).mean(0),
        "The gradient is right, the value is not: your score term moves it. Take off what it is worth, without its "
        "gradient.": lambda f_z, log_q: (f_z + f_z.detach() * log_q).mean(0),
        "f may depend on the parameters itself, as the ELBO does, and you cut that part off: detach f in the score "
        "term alone.": lambda f_z, log_q: (f_z.detach() + f_z.detach() * (log_q - log_q.detach())).mean(0),
        "Your score term has the wrong sign. The gradient of q is q times the score, with a plus.": (
            lambda f_z, log_q: (f_z - f_z.detach() * (log_q - log_q.detach())).mean(0)
        ),
        "You differentiate q, not log q. The draws come from q already: only the score is left to average.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q.exp() - log_q.exp().detach())).mean(0)
        ),
        "This is the sum over the draws: K times too large. An expectation is estimated by a mean.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q - log_q.detach())).sum(0)
        ),
        "You averaged over the last axis. Draws are the first one.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q - log_q.detach())).mean(-1)
        ),
        "You averaged over everything. Only the first axis holds draws; the others are separate problems.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q - log_q.detach())).mean()
        ),
        "The mean of f is missing: your loss is always zero, and f's own dependence on the parameters gets lost.": (
            lambda f_z, log_q: (f_z.detach() * (log_q - log_q.detach())).mean(0)
        ),
        "One value for each draw: average over the draws, the first axis.": (
            lambda f_z, log_q: f_z + f_z.detach() * (log_q - log_q.detach())
        ),
        "You multiplied two means. Each draw's f belongs to its own score: multiply first, then average.": (
            lambda f_z, log_q: f_z.mean(0) + f_z.detach().mean(0) * (log_q - log_q.detach()).mean(0)
        ),
        "The value is right, and no gradient is left to learn from. Everything is detached, or .item(), no_grad or "
        "backward has used the graph up: log q must keep its gradient once.": (lambda f_z, log_q: f_z.mean(0).detach()),
    },
    also_right=[
        _surrogate_by_loop,
        lambda f_z, log_q: (f_z * (log_q - log_q.detach()).exp()).mean(0),
        lambda f_z, log_q: torch.einsum("k...->...", f_z + f_z.detach() * (log_q - log_q.detach())) / len(f_z),
    ],
)


# The score has mean zero ---------------------------------------------------------------------------------------------


def _score(logits):
    pi = torch.softmax(logits, -1)
    return torch.eye(len(logits)).to(logits) - pi


score = Exercise(
    ask="Return the score of every class: the gradient of its log probability for the logits.",
    reference=_score,
    cases=drawing(lambda draw: [(draw(3),), (1 + 2 * draw(5),), (900 + draw(4),), (draw(7) - 800,)]),
    misconceptions={
        "This is the Jacobian of the probabilities. The score is that of their logarithms: divide each row by its "
        "probability.": lambda logits: torch.softmax(logits, 0).diag()
        - torch.outer(torch.softmax(logits, 0), torch.softmax(logits, 0)),
        "Rows and columns are exchanged: a row is the class drawn, a column the logit you differentiate for.": (
            lambda logits: torch.eye(len(logits)).to(logits) - torch.softmax(logits, 0)[:, None]
        ),
        "The normaliser is missing: each log probability contains the logsumexp of all logits.": (
            lambda logits: torch.eye(len(logits)).to(logits)
        ),
        "You used a term 1/pi: that is the gradient for the probabilities. Here it is for the logits.": (
            lambda logits: (1 / torch.softmax(logits, 0)).diag()
        ),
        "The sign is turned round: raising a class's own logit raises its log probability.": (
            lambda logits: torch.softmax(logits, 0) - torch.eye(len(logits)).to(logits)
        ),
        "exp leaves the range of floating point: right for small logits only. torch.softmax takes the largest out.": (
            lambda logits: torch.eye(len(logits)).to(logits) - logits.exp() / logits.exp().sum()
        ),
        "Only the diagonal: the other logits matter as well, through the normaliser.": (
            lambda logits: (1 - torch.softmax(logits, 0)).diag()
        ),
        "Those are the log probabilities where the probabilities belong: differentiate the logsumexp once more.": (
            lambda logits: torch.eye(len(logits)).to(logits) - torch.log_softmax(logits, 0)
        ),
    },
    also_right=[
        lambda logits: torch.func.jacrev(lambda a: torch.log_softmax(a, 0))(logits),
        lambda logits: torch.stack(
            [torch.nn.functional.one_hot(torch.tensor(c), len(logits)) - torch.softmax(logits, 0)
             for c in range(len(logits))]
        ),
        lambda logits: torch.eye(len(logits), dtype=torch.float64) - (logits - torch.logsumexp(logits, 0)).exp()[None],
    ],
)  # fmt: skip

which_biases = Choice(
    ask="Which of these baselines changes the mean of the estimate?",
    options={
        "a": "the mean of f over the same K draws, the draw itself included",
        "b": "the mean of f over the other K - 1 draws",
        "c": "the number one million",
        "d": "a network's guess of f from the observation x",
    },
    feedback={
        "a": "A draw's own f stands in its baseline, and f times the score has no mean zero. The estimate shrinks by "
        "the factor 1 - 1/K: little for large K, half for K = 2.",
        "b": "The other draws are independent of this one, so b times the score still has mean zero.",
        "c": "The score has mean zero, and so has a million times the score. The variance is another matter.",
        "d": "x is given before z is drawn. Whatever is known before the draw may enter.",
    },
    right="a",
)


# Leave one out -------------------------------------------------------------------------------------------------------


def _leave_one_out(f_z):
    others = len(f_z) - 1
    return (f_z.sum(0) - f_z) / others


def _leave_one_out_by_loop(f_z):
    return torch.stack([torch.cat([f_z[:k], f_z[k + 1 :]]).mean(0) for k in range(len(f_z))])


def _leave_one_out_by_matrix(f_z):
    K = len(f_z)
    everybody_else = (torch.ones(K, K) - torch.eye(K)).to(f_z) / (K - 1)
    return torch.einsum("kj,j...->k...", everybody_else, f_z)


leave_one_out = Exercise(
    ask="Return for each draw the mean of f over all the other draws.",
    reference=_leave_one_out,
    cases=drawing(lambda draw: [(3 + draw(3),), (2 * draw(2, 3) - 1,), (5 + draw(5, 2, 4),), (40 * draw(30, 2),)]),
    misconceptions={
        "The draw's own f is in its baseline: that biases the gradient. Take it out.": (
            lambda f_z: f_z.mean(0).expand_as(f_z)
        ),
        "The draw's own f is in the sum, which is divided by K - 1. Take it out of the sum as well.": (
            lambda f_z: (f_z.sum(0) / (len(f_z) - 1)).expand_as(f_z)
        ),
        "K - 1 others are in the sum: divide by K - 1, not by K.": lambda f_z: (f_z.sum(0) - f_z) / len(f_z),
        "This is the sum over the others. A baseline has the size of one f: take the mean.": (
            lambda f_z: f_z.sum(0) - f_z
        ),
        "You took the draw off the mean. Take it off the sum, and divide afterwards.": lambda f_z: f_z.mean(0) - f_z,
        "This is f minus its baseline. Return the baseline itself.": (
            lambda f_z: f_z - (f_z.sum(0) - f_z) / (len(f_z) - 1)
        ),
        "You left one out along the last axis. Draws are the first one.": (
            lambda f_z: (f_z.sum(-1, keepdim=True) - f_z) / (f_z.shape[-1] - 1)
        ),
        "You summed over all axes. Only the first one holds draws; the others are separate problems.": (
            lambda f_z: (f_z.sum() - f_z) / (f_z.numel() - 1)
        ),
        "You summed over all axes, and divided by the draws alone. Only the first axis holds draws.": (
            lambda f_z: (f_z.sum() - f_z) / (len(f_z) - 1)
        ),
        "One baseline for all draws, and the draw's own f is in it. Each draw has a baseline of its own.": (
            lambda f_z: f_z.mean(0)
        ),
        "This is the mean of the earlier draws only. Draws have no order: the later ones may enter too.": (
            lambda f_z: (
                (f_z.cumsum(0) - f_z) / torch.arange(len(f_z)).clamp(min=1).to(f_z).reshape(-1, *[1] * (f_z.ndim - 1))
            )
        ),
    },
    also_right=[
        _leave_one_out_by_loop,
        _leave_one_out_by_matrix,
        lambda f_z: f_z - (f_z - f_z.mean(0)) * len(f_z) / (len(f_z) - 1),
    ],
)


# The best baseline ---------------------------------------------------------------------------------------------------


def _best_baseline(f_z, scores):
    power = scores.square()
    return (f_z[:, None] * power).sum(0) / power.sum(0)


best_baseline = Exercise(
    ask="Return the baseline of least variance for each parameter, estimated from K draws.",
    reference=_best_baseline,
    cases=drawing(lambda draw: [(2 + draw(4), draw(4, 3)), (draw(7) - 3, 0.5 + 2 * draw(7, 2)),
                                 (9 + draw(5), draw(5, 5)), (40 * draw(30), 0.1 * draw(30, 4))]),
    misconceptions={
        "This is the mean of f. Draws with a large score weigh more: weight f by the score's square.": (
            lambda f_z, scores: f_z.mean() + 0 * scores[0]
        ),
        "The score has to be squared: set the derivative of the second moment, E[(f - b)² score²], to zero.": (
            lambda f_z, scores: (f_z[:, None] * scores).sum(0) / scores.sum(0)
        ),
        "Only the numerator's score is not squared: both sums weight by the square.": (
            lambda f_z, scores: (f_z[:, None] * scores).sum(0) / scores.square().sum(0)
        ),
        "The denominator is missing: a baseline has the units of f.": (
            lambda f_z, scores: (f_z[:, None] * scores.square()).mean(0)
        ),
        "One baseline for all parameters. Better, and just as unbiased, is one for each: sum over the draws alone.": (
            lambda f_z, scores: (f_z @ scores.square().sum(1)) / scores.square().sum() + 0 * scores[0]
        ),
        "f has shape (K,), the scores have (K, P): as they are, f meets the last axis. Give f a second one.": (
            lambda f_z, scores: (f_z * scores.square()).sum(0) / scores.square().sum(0)
        ),
        "Upside down: f times the square stands above.": (
            lambda f_z, scores: scores.square().sum(0) / (f_z[:, None] * scores.square()).sum(0)
        ),
        "You weight by the score's absolute value. Its square is what the variance asks for.": (
            lambda f_z, scores: (f_z[:, None] * scores.abs()).sum(0) / scores.abs().sum(0)
        ),
        "You squared f as well. The derivative for b leaves f once.": (
            lambda f_z, scores: (f_z.square()[:, None] * scores.square()).sum(0) / scores.square().sum(0)
        ),
        "Twice too large: (f - b)² has the derivative -2 (f - b), and the 2 cancels.": (
            lambda f_z, scores: 2 * (f_z[:, None] * scores.square()).sum(0) / scores.square().sum(0)
        ),
    },
    also_right=[
        lambda f_z, scores: torch.einsum("k,kp->p", f_z, scores**2) / torch.einsum("kp->p", scores**2),
        lambda f_z, scores: torch.stack([(f_z * one * one).mean() / (one * one).mean() for one in scores.T]),
        lambda f_z, scores: f_z @ (scores**2 / (scores**2).sum(0)),
    ],
)  # fmt: skip


# Reparameterise ------------------------------------------------------------------------------------------------------


def _path_gradients(slope, mean, scale, eps):
    z = mean + scale * eps
    return slope(z).mean(0), (slope(z) * eps).mean(0)


def _sine_slope(z):
    return torch.cos(z) + 0.3 * z


def _cubic_slope(z):
    return z**2 + z.sum(-1, keepdim=True)


def _paths(draw):
    shapes = [(4, 1), (5, 3), (7, 2), (3, 4)]
    slopes = [_sine_slope, _cubic_slope, _sine_slope, _cubic_slope]
    return [(slope, 0.4 + draw(D), draw(D).exp() / 2, draw(K, D)) for slope, (K, D) in zip(slopes, shapes, strict=True)]


def _path_gradients_by_autograd(slope, mean, scale, eps):
    m, s = mean.clone().requires_grad_(), scale.clone().requires_grad_()
    z = m + s * eps
    pulled = torch.autograd.grad(z, (m, s), slope(z.detach()) / len(eps))
    return tuple(pulled)


def _path_gradients_by_loop(slope, mean, scale, eps):
    to_mean, to_scale = 0 * mean, 0 * scale
    for one in eps:
        here = slope((mean + scale * one)[None])[0]
        to_mean, to_scale = to_mean + here / len(eps), to_scale + here * one / len(eps)
    return to_mean, to_scale


path_gradients = Exercise(
    ask="Return the reparameterised gradients for the mean and for the scale of a Gaussian.",
    reference=_path_gradients,
    cases=drawing(_paths),
    misconceptions={
        "The path through the scale lacks its factor: dz/dscale is not 1.": lambda slope, mean, scale, eps: (
            (slope(mean + scale * eps).mean(0),) * 2
        ),
        "You took z for the noise: dz/dscale is what multiplies the scale in z.": lambda slope, mean, scale, eps: (
            slope(mean + scale * eps).mean(0),
            (slope(mean + scale * eps) * (mean + scale * eps)).mean(0),
        ),
        "This is the gradient for the logarithm of the scale. For the scale itself the factor is the noise alone.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(0),
                (slope(mean + scale * eps) * scale * eps).mean(0),
            )
        ),
        "You treated the scale as a variance: z is the mean plus scale times noise.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale.sqrt(), eps)
        ),
        "You squared the scale: z is the mean plus scale times noise.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale**2, eps)
        ),
        "The slope is needed at z, where the draw fell, not at the noise.": lambda slope, mean, scale, eps: (
            slope(eps).mean(0),
            (slope(eps) * eps).mean(0),
        ),
        "The slope is needed at every draw, not at the mean only.": lambda slope, mean, scale, eps: (
            slope(mean[None])[0],
            slope(mean[None])[0] * eps.mean(0),
        ),
        "These are sums over the draws. The gradient of a mean is a mean.": lambda slope, mean, scale, eps: (
            slope(mean + scale * eps).sum(0),
            (slope(mean + scale * eps) * eps).sum(0),
        ),
        "You multiplied two means. Each draw's slope belongs to its own noise: multiply first, then average.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(0),
                slope(mean + scale * eps).mean(0) * eps.mean(0),
            )
        ),
        "The two results are exchanged: first the gradient for the mean, then for the scale.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale, eps)[::-1]
        ),
        "You averaged over everything. Draws are the first axis alone; each coordinate keeps its own gradient.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(),
                (slope(mean + scale * eps) * eps).mean(),
            )
        ),
        "You multiplied by the scale. How far does z move when the scale grows by a little?": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(0),
                (slope(mean + scale * eps) * scale).mean(0),
            )
        ),
        "You drew noise of your own. Use the noise that is given, for both results.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale, torch.randn_like(eps))
        ),
        "You averaged over the dimensions. Draws are the first axis; each coordinate has a mean and a scale.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(-1),
                (slope(mean + scale * eps) * eps).mean(-1),
            )
        ),
        "You mixed the two ways: the slope is multiplied by the score. Here dz/dmean and dz/dscale multiply it.": (
            lambda slope, mean, scale, eps: (
                (slope(mean + scale * eps) * eps / scale).mean(0),
                (slope(mean + scale * eps) * (eps**2 - 1) / scale).mean(0),
            )
        ),
    },
    also_right=[_path_gradients_by_autograd, _path_gradients_by_loop],
)

doubled_dimension = Choice(
    ask="D doubles from 64 to 128. What happens to the variance of one coordinate of the gradient?",
    options={
        "a": "score function doubles, reparameterised doubles",
        "b": "score function doubles, reparameterised stays",
        "c": "score function quadruples, reparameterised stays",
        "d": "both stay: it is one coordinate, and the others are independent",
    },
    feedback={
        "a": "One coordinate's slope does not know how many others there are. Look at the reparameterised line again.",
        "b": "The score function with the best baseline does that. Without one f grows like D, and its square counts.",
        "c": "f is a sum of D terms that all multiply the one coordinate's score: its square grows as D squared. The "
        "slope in that coordinate contains its own term alone.",
        "d": "The score of one coordinate is multiplied by the whole f, with everybody else's terms in it.",
    },
    right="c",
)


# A categorical draw as a maximum -------------------------------------------------------------------------------------


def _gumbel_max(logits, u):
    gumbel = -(-u.log()).log()
    return (logits + gumbel).argmax(-1)


@drawing
def _logits_and_uniforms(draw):
    cases = [(draw(C), torch.special.ndtr(draw(K, C))) for K, C in ((6, 3), (40, 4), (60, 60), (300, 5))]
    return [*cases, (700 + 2 * draw(3), torch.special.ndtr(draw(50, 3)))]


def _by_exponential_race(logits, u):
    arrival = -u.log() / (logits - logits.max()).exp()  # the class with the highest rate arrives first
    return arrival.argmin(-1)


def _by_gumbel_loop(logits, u):
    noisy = [[a - math.log(-math.log(b)) for a, b in zip(logits.tolist(), row, strict=True)] for row in u.tolist()]
    return torch.tensor([row.index(max(row)) for row in noisy])


gumbel_max = Exercise(
    ask="Return K categorical draws, made from logits and uniform numbers by the Gumbel-max trick.",
    reference=_gumbel_max,
    cases=_logits_and_uniforms,
    misconceptions={
        "There is no noise: every draw is the most probable class.": lambda logits, u: (
            logits.argmax().expand(len(u)).clone()
        ),
        "You added the uniform numbers themselves. Turn them into Gumbel noise first, by two logarithms.": (
            lambda logits, u: (logits + u).argmax(-1)
        ),
        "You added exponential noise, one logarithm short of Gumbel noise.": (
            lambda logits, u: (logits - u.log()).argmax(-1)
        ),
        "The outer minus is missing: your noise is a Gumbel upside down, with its long tail to the left.": (
            lambda logits, u: (logits + (-u.log()).log()).argmax(-1)
        ),
        "You added the noise to the probabilities. It belongs to the log probabilities, up to a constant.": (
            lambda logits, u: (torch.softmax(logits, 0) - (-u.log()).log()).argmax(-1)
        ),
        "You took the smallest: the class with the largest noisy logit wins.": (
            lambda logits, u: (logits - (-u.log()).log()).argmin(-1)
        ),
        "The arg max runs over the draws. Let it run over the classes, the last axis.": (
            lambda logits, u: (logits - (-u.log()).log()).argmax(0)
        ),
        "The logits do not enter: this draws every class equally often.": (
            lambda logits, u: (-(-u.log()).log()).argmax(-1)
        ),
        "You added normal noise. With that the shares are not the softmax: the noise has to be Gumbel.": (
            lambda logits, u: (logits + torch.special.ndtri(u)).argmax(-1)
        ),
        "log u is negative, and its logarithm NaN. The inner logarithm needs a minus of its own.": (
            lambda logits, u: (logits - u.log().log()).argmax(-1)
        ),
        "1 - u is as uniform as u, so your shares are right. The check compares draw by draw: solve for a with u "
        "itself.": lambda logits, u: (logits - (-(1 - u).log()).log()).argmax(-1),
        "You drew random numbers of your own. Use the uniform numbers that are given.": (
            lambda logits, u: torch.multinomial(torch.softmax(logits, 0), len(u), replacement=True)
        ),
        "That compares one uniform number with cumulated probabilities: right shares, another trick. Here each class "
        "has noise of its own.": lambda logits, u: (u[:, :1] > torch.softmax(logits, 0).cumsum(0)).sum(-1),
        "This is the height of the maximum. Return where it is.": (
            lambda logits, u: (logits - (-u.log()).log()).max(-1).values
        ),
        "That is the relaxed draw, a point inside the simplex. Return the class: an index.": (
            lambda logits, u: torch.softmax(logits - (-u.log()).log(), -1)
        ),
        "Return the index of each class, not a one-hot row.": lambda logits, u: torch.nn.functional.one_hot(
            (logits - (-u.log()).log()).argmax(-1), len(logits)
        ),
    },
    also_right=[
        _by_exponential_race,
        _by_gumbel_loop,
        lambda logits, u: torch.max(torch.log_softmax(logits, 0) - torch.log(-torch.log(u)), dim=1).indices,
    ],
)


# Five problems -------------------------------------------------------------------------------------------------------

WAYS = {
    "a": "reparameterisation",
    "b": "score function, leave-one-out",
    "c": "the sum over all states",
    "d": "Gumbel-softmax",
}

deep_decoder = Choice(
    ask="z is Gaussian in 50 dimensions, f the log-likelihood of a smooth neural decoder.",
    options=WAYS,
    feedback={
        "a": "A smooth path from the noise to f, and a variance that does not grow with the dimension.",
        "b": "Unbiased, but its variance grows with the dimension. You have f's slope: use it.",
        "c": "A continuous z has no list of states, and a grid in 50 dimensions has too many points.",
        "d": "That relaxes a discrete z. This one is continuous already.",
    },
    right="a",
)

simulator = Choice(
    ask="z is Gaussian in 3 dimensions, f the number of crashes that a compiled simulator reports.",
    options=WAYS,
    feedback={
        "a": "A count has slope zero wherever it has one, and the simulator gives none: the gradient would be wrong.",
        "b": "Only values of f are needed, not its slope, and the others' mean costs nothing.",
        "c": "There is no list of states: z is continuous.",
        "d": "z is not the trouble here, f is: it jumps, and no relaxation of z changes that.",
    },
    right="b",
)

five_classes = Choice(
    ask="z is one of 5 classes, and evaluating f for all of them is cheap.",
    options=WAYS,
    feedback={
        "a": "A class has no slope: moving the noise a little moves it not at all, or by a jump.",
        "b": "Right on average, and noisy without need: five values are all there is to know.",
        "c": "Five terms, exact, no variance at all. Where you can sum, sum.",
        "d": "A bias, for nothing: the exact gradient costs five evaluations.",
    },
    right="c",
)

binary_rules = Choice(
    ask="z is 200 binary units, f checks rules that are defined for true and false only; the mean must be exact.",
    options=WAYS,
    feedback={
        "a": "Binary units jump: no path from noise to z has a slope.",
        "b": "It needs f at real states alone, and it is unbiased. Mind the variance: take many draws.",
        "c": "There are two to the power of 200 states.",
        "d": "f is not defined between true and false, and the relaxed gradient has a bias.",
    },
    right="b",
)

soft_codes = Choice(
    ask="z is 30 codes of 16 classes each, f a smooth decoder that takes mixtures of codes; few draws, a bias is fine.",
    options=WAYS,
    feedback={
        "a": "The draw of a class jumps. What can be reparameterised is its softened form: which one is that?",
        "b": "Unbiased, but you allowed a bias, and with few draws the noise is the larger error.",
        "c": "There are 16 to the power of 30 states.",
        "d": "f is smooth between the states, draws are few, a bias is accepted: this is its place. Say so in print.",
    },
    right="d",
)

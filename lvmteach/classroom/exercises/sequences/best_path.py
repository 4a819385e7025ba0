"""Viterbi's path."""

from __future__ import annotations

import itertools
import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.sequences.shared import _chain, _symbols


def _best_path(x, start, transition, emission):
    best, came = start.log() + emission[:, x[0]].log(), []
    for x_t in x[1:]:
        reached, source = (best[:, None] + transition.log()).max(0)
        best = reached + emission[:, x_t].log()
        came.append(source)
    path = [best.argmax()]
    for source in reversed(came):
        path.append(source[path[-1]])
    return torch.stack(path[::-1])


def _posterior(x, start, transition, emission):
    """Up to a factor at each step, which keeps them in range."""
    seen = emission / emission.amax(0)
    alphas, beta = [start * seen[:, x[0]]], torch.ones_like(start)
    for x_t in x[1:]:
        alphas.append(((alphas[-1] / alphas[-1].sum()) @ transition) * seen[:, x_t])
    states = [alphas[-1]]
    for t in range(len(x) - 2, -1, -1):
        beta = transition @ (seen[:, x[t + 1]] * beta)
        beta = beta / beta.sum()
        states.append(alphas[t] * beta)
    return torch.stack(states[::-1]), torch.stack(alphas)


@drawing
def _cases(draw):
    """Chains whose best path is neither the states most probable one by one nor what a greedy walk finds."""
    cases, sizes = [], ((4, 3, 3), (6, 3, 2), (5, 4, 3), (8, 2, 3), (7, 3, 3))
    there_and_back = torch.tensor([[0.02, 0.49, 0.49], [0.96, 0.02, 0.02], [0.96, 0.02, 0.02]], dtype=torch.float64)
    lean = torch.tensor([[0.40, 0.60], [0.45, 0.55], [0.5, 0.5]], dtype=torch.float64)
    start = torch.tensor([0.4, 0.3, 0.3], dtype=torch.float64)
    cases.append((torch.tensor([0, 1, 0]), start, there_and_back, lean))
    # the first symbol decides
    told = torch.tensor([[0.90, 0.08, 0.02], [0.50, 0.44, 0.06], [0.30, 0.60, 0.10]], dtype=torch.float64)
    anywhere = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    cases.append((torch.tensor([2, 0]), torch.tensor([0.5, 0.3, 0.2]).double(), anywhere, told))
    hardly = torch.tensor([[0.90, 0.10, 2e-40], [0.40, 0.60, 6e-40], [0.30, 0.70, 1e-39]], dtype=torch.float64)
    cases.append((*cases[-1][:3], hardly))  # and it is a rare one
    for T, C, V in sizes:
        while True:
            case = _symbols(draw, T, V), *_chain(draw, C, V)
            wrong = [rule(*case) for rule in (_pointwise, _filtered, _greedy, _observed_alone, _transposed, _no_start)]
            (most, _), (next_most, _) = _ranked(*case)[:2]  # equal where two paths have the same steps in another order
            if most > 0.001 + next_most and sum(not torch.equal(path, _best_path(*case)) for path in wrong) >= 5:
                break
        cases.append(case)
    x, start, transition, emission = cases[-1]
    rare = 1e-50 * emission  # symbols so rare that a product of seven underflows; one more symbol takes the rest
    cases.append((x, start, transition, torch.cat([rare, 1 - rare.sum(1, keepdim=True)], 1)))
    alike = 1e-300 * torch.tensor([[1.0], [1.00002], [0.99999]], dtype=torch.float64)  # single precision shows
    cases.append((torch.zeros(4).long(), anywhere[0], anywhere, torch.cat([alike, 1 - alike], 1)))
    stays = torch.tensor([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]], dtype=torch.float64)
    hints = torch.tensor([[0.55, 0.449, 0.001], [0.45, 0.549, 0.001], [0.1, 0.1, 0.8]], dtype=torch.float64)
    cases.append((torch.tensor([0, 1, 0, 1, 0]), anywhere[0], stays, hints))  # no state alone is worth a change
    return [*cases, (torch.tensor([0, 2]), *cases[-1][1:])]  # the best path begins where the third of three does


def _pointwise(x, start, transition, emission):
    return _posterior(x, start, transition, emission)[0].argmax(1)


def _filtered(x, start, transition, emission):
    return _posterior(x, start, transition, emission)[1].argmax(1)


def _greedy(x, start, transition, emission):
    path = [(start * emission[:, x[0]]).argmax()]
    for x_t in x[1:]:
        path.append((transition[path[-1]] * emission[:, x_t]).argmax())
    return torch.stack(path)


def _observed_alone(x, start, transition, emission):
    return emission[:, x].argmax(0)


def _transposed(x, start, transition, emission):
    return _best_path(x, start, transition.T, emission)


def _no_start(x, start, transition, emission):
    return _best_path(x, torch.ones_like(start), transition, emission)


def _columns_best(x, start, transition, emission):
    """The best end of each prefix, without walking back."""
    best = start.log() + emission[:, x[0]].log()
    path = [best.argmax()]
    for x_t in x[1:]:
        best = (best[:, None] + transition.log()).amax(0) + emission[:, x_t].log()
        path.append(best.argmax())
    return torch.stack(path)


def _walked_back(best, came):
    path = [best.argmax()]
    for source in reversed(came):
        path.append(source[path[-1]])
    return torch.stack(path[::-1])


def _by_products(x, start, transition, emission):
    best, came = start * emission[:, x[0]], []
    for x_t in x[1:]:
        reached, source = (best[:, None] * transition).max(0)
        best = reached * emission[:, x_t]
        came.append(source)
    return _walked_back(best, came)


def _by_sums(x, start, transition, emission):
    log_alpha, came = start.log() + emission[:, x[0]].log(), []
    for x_t in x[1:]:
        arriving = log_alpha[:, None] + transition.log()
        log_alpha = arriving.logsumexp(0) + emission[:, x_t].log()
        came.append(arriving.argmax(0))
    return _walked_back(log_alpha, came)


def _in_a_table(x, start, transition, emission):
    """A table of zeros is in single precision."""
    best, came = torch.zeros(len(x), len(start)), []
    best[0] = start.log() + emission[:, x[0]].log()
    for t in range(1, len(x)):
        reached, source = (best[t - 1][:, None] + transition.log()).max(0)
        best[t] = reached + emission[:, x[t]].log()
        came.append(source)
    return _walked_back(best[-1], came)


def _ranked(x, start, transition, emission):
    """All paths, the most probable first, each with its log probability."""
    x, start, transition, emission = (part.tolist() for part in (x, start, transition, emission))

    def joint(z):
        p = math.log(start[z[0]] * emission[z[0]][x[0]])
        for t in range(1, len(x)):
            p = p + math.log(transition[z[t - 1]][z[t]] * emission[z[t]][x[t]])
        return p

    return sorted(((joint(z), z) for z in itertools.product(range(len(start)), repeat=len(x))), reverse=True)


def _by_enumeration(x, start, transition, emission):
    return torch.tensor(_ranked(x, start, transition, emission)[0][1])


def _from_the_end(x, start, transition, emission):
    """The same recursion backwards: best[c] is the best continuation from c."""
    best, leads = torch.zeros_like(start), []
    for t in range(len(x) - 1, 0, -1):
        best, to = (transition.log() + emission[:, x[t]].log() + best).max(1)
        leads.append(to)
    path = [(start.log() + emission[:, x[0]].log() + best).argmax()]
    for to in reversed(leads):
        path.append(to[path[-1]])
    return torch.stack(path)


best_path = Exercise(
    ask="Return the most probable path of states given the whole sequence.",
    reference=_best_path,
    cases=_cases,
    misconceptions={
        "Each state is the most probable one given all of x, and together they need not be a path at all. Maximise "
        "over paths.": _pointwise,
        "You took the most probable state given the observations so far. What comes later counts too.": _filtered,
        "You walk greedily, the best next state from the last. A worse step now may pay later: keep all C ends.": (
            _greedy
        ),
        "Products of many probabilities underflow to 0, and then all paths seem alike. Add logarithms.": _by_products,
        "You look at each observation alone, without the chain.": _observed_alone,
        "You have the transition the wrong way round: row c says where one goes from c.": _transposed,
        "p(z_1) is missing: the first column starts with log start.": _no_start,
        "One step too many: the first state has the start's probabilities, no transition leads to it.": (
            lambda x, start, transition, emission: _best_path(x, start @ transition, transition, emission)
        ),
        "The first observation is missing: the first column has p(z_1) p(x_1 | z_1).": (
            lambda x, start, transition, emission: _best_path(
                torch.cat([torch.full_like(x[:1], emission.shape[1]), x[1:]]),  # a symbol that tells nothing
                start,
                transition,
                torch.cat([emission, torch.ones_like(emission[:, :1])], 1),
            )
        ),
        "Your columns hold sums over paths. A best path takes the maximum at every step: keep that, and where it came "
        "from.": _by_sums,
        "torch.zeros makes a table in single precision, and in it two paths may seem alike: give it start's dtype.": (
            _in_a_table
        ),
        "The columns are right, but you read off each column's best state. Remember where each maximum came from, and "
        "walk back from the end.": _columns_best,
    },
    also_right=[_by_enumeration, _from_the_end],
)

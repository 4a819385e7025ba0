"""One step of the Kalman filter."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise


def _kalman_step(m, P, x, A, Q, W, R):
    m, P = A @ m, A @ P @ A.T + Q
    S = W @ P @ W.T + R
    K = torch.linalg.solve(S, W @ P).T
    return m + K @ (x - W @ m), P - K @ W @ P


@drawing
def _cases(draw):
    def spd(n):
        root = draw(n, n)
        return root @ root.T + 0.3 * torch.eye(n, dtype=torch.float64)

    sizes = ((1, 1), (2, 1), (2, 3), (3, 2))
    cases = [(draw(L), spd(L), 2 * draw(D), draw(L, L), spd(L), draw(D, L), spd(D)) for L, D in sizes]
    m, P, x, A, Q, W, R = cases[-1]
    return [*cases, (m, 1e-12 * P, x, A, 1e-12 * Q, W, 1e-12 * R)]  # next to no noise: a number added for safety shows


def _with(m, P, x, A, Q, W, R, predict_mean=True, early=True, late=False, turn=lambda A: A, innovation=True):
    A = turn(A)
    if predict_mean:
        m = A @ m
    P = A @ P @ A.T + (Q if early else 0 * Q)
    K = P @ W.T @ torch.linalg.inv(W @ P @ W.T + R)
    error = x - W @ m if innovation else x
    return m + K @ error, P - K @ W @ P + (Q if late else 0 * Q)


def _by_conditioning(m, P, x, A, Q, W, R):
    """z_t and x_t as one Gaussian, and then Bishop 2.81 and 2.82."""
    L = len(m)
    top = torch.cat([torch.eye(L, dtype=m.dtype), W])
    predicted = A @ P @ A.T + Q
    joint = top @ predicted @ top.T
    joint[L:, L:] += R
    gain = joint[:L, L:] @ torch.linalg.inv(joint[L:, L:])
    return A @ m + gain @ (x - W @ A @ m), joint[:L, :L] - gain @ joint[L:, :L]


def _by_information(m, P, x, A, Q, W, R):
    predicted = torch.linalg.inv(A @ P @ A.T + Q)
    precision = predicted + W.T @ torch.linalg.inv(R) @ W
    cov = torch.linalg.inv(precision)
    return cov @ (predicted @ A @ m + W.T @ torch.linalg.inv(R) @ x), cov


def _covariance_of_before(m, P, x, A, Q, W, R):
    predicted = A @ P @ A.T + Q
    K = predicted @ W.T @ torch.linalg.inv(W @ predicted @ W.T + R)
    return A @ m + K @ (x - W @ A @ m), P - K @ W @ P


kalman_step = Exercise(
    ask="Move p(z_t-1 | x_1..x_t-1) = N(m, P) one step on, and condition it on x_t: the new mean and covariance.",
    reference=_kalman_step,
    cases=_cases,
    misconceptions={
        "Q is added after the update. The step's noise is there before x_t is seen: predict first, then update.": (
            lambda *case: _with(*case, early=False, late=True)
        ),
        "Q is missing: each step adds to the spread of z.": lambda *case: _with(*case, early=False),
        "Q is in twice: it belongs to the prediction alone.": lambda *case: _with(*case, late=True),
        "A is the wrong way round: E[z_t] = A m, and the covariance becomes A P A'.": (
            lambda *case: _with(*case, turn=lambda A: A.T)
        ),
        "The mean was not predicted: it moves to A m before the observation corrects it.": (
            lambda *case: _with(*case, predict_mean=False)
        ),
        "The covariance starts from P of the step before. Take off from the predicted one, A P A' + Q.": (
            _covariance_of_before
        ),
        "Add K times what is new in x, the error x - W A m, not K x.": lambda *case: _with(*case, innovation=False),
        "This is the prediction. Now condition it on x_t.": (lambda m, P, x, A, Q, W, R: (A @ m, A @ P @ A.T + Q)),
        "You updated without moving on: first predict, with A and Q.": (
            lambda m, P, x, A, Q, W, R: _with(m, P, x, torch.eye(len(m), dtype=m.dtype), 0 * Q, W, R)
        ),
    },
    also_right=[_by_conditioning, _by_information],
    compare=Close(atol=1e-20),  # a small covariance counts as well
)

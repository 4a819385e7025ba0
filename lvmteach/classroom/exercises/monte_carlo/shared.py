"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing


@drawing
def _log_weights(draw):
    zero = draw(3, 4)
    zero[1], zero[0, 0] = -math.inf, -math.inf  # draws outside the support of p, the first of a column among them
    one_rules = 0.1 * draw(400, 2) - 40
    one_rules[2, 0] += 46  # beside many: their mean is a small number, the effective size of the others a large one
    cases = [draw(3), draw(5, 2), draw(4, 2, 3), draw(1, 3), zero, one_rules]
    apart = draw(4, 2) + torch.tensor([2000.0, -900.0])  # no common maximum serves both columns
    large, small = 800 + 20 * draw(50, 2), -2000 + 20 * draw(7, 3)
    small[3] += 2900  # the largest alone can be taken out, not the mean, nor the first
    small_and_zero = draw(4, 2) - 20_000
    small_and_zero[2] = -math.inf
    return [(log_w,) for log_w in [*cases, large, small, apart, small_and_zero]]

"""Tests of random results, each with a stated chance of failing although nothing is wrong.

Every function first proves that it could see the bug it is there for: `resolution` is the smallest error that
matters, and a sample too small to show it is itself a failure.
"""

import numpy as np
from scipy import stats

FALSE_ALARM = 1e-6  # chance that one assertion fails on correct code


def assert_mean(samples, truth, *, resolution, false_alarm=FALSE_ALARM):
    """The mean of `samples` over its first axis is `truth`, by a t test on each entry (Bonferroni over entries).

    An error of `resolution` would be seen: the test's threshold lies below it.
    """
    samples, truth = np.asarray(samples, float), np.asarray(truth, float)
    n = len(samples)
    std_err = samples.std(0, ddof=1) / np.sqrt(n)
    threshold = stats.t.isf(false_alarm / 2 / max(std_err.size, 1), n - 1) * std_err
    assert np.all(threshold < resolution), (
        f"{n} samples resolve {threshold.max():.3g}, which hides a bug of {resolution:.3g}"
    )
    error = np.abs(samples.mean(0) - truth)
    assert np.all(error <= threshold), f"mean is off by {error.max():.4g}, chance allows {threshold.max():.4g}"


def assert_variance(samples, truth, *, resolution, false_alarm=FALSE_ALARM):
    """The variance of `samples` over its first axis is `truth`; `resolution` is relative to it."""
    samples, truth = np.asarray(samples, float), np.asarray(truth, float)
    squares = (samples - samples.mean(0)) ** 2 * len(samples) / (len(samples) - 1)
    assert_mean(squares / truth, np.ones_like(truth), resolution=resolution, false_alarm=false_alarm)


def assert_share(hits, trials, share, *, resolution, false_alarm=FALSE_ALARM):
    """`hits` of `trials` agree with the probability `share`, by the exact binomial test."""
    low, high = stats.binom.interval(1 - false_alarm, trials, share)
    assert max(high / trials - share, share - low / trials) < resolution, f"{trials} trials hide {resolution}"
    assert low <= hits <= high, f"{hits} of {trials}, expected {share:.4g} of them ({low:.0f} to {high:.0f})"

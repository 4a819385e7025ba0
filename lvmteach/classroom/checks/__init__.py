"""Checks that say what went wrong: one module of declared exercises a stage, one engine for them all.

In an exercise notebook: `from lvmteach.classroom.checks import monte_carlo as check`, then
`log_mean_exp = check.log_mean_exp(log_mean_exp)`.
"""

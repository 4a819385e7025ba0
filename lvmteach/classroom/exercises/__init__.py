"""Exercises whose checks say what went wrong: a folder a stage, a file an exercise, one engine for them all.

In an exercise notebook: `from lvmteach.classroom.exercises import monte_carlo as check`, then
`log_mean_exp = check.log_mean_exp(log_mean_exp)`.

`engine` judges an answer, `choice` a multiple-choice question; both say a `verdict`. `running` calls an answer,
`compare` holds results together, `cases` draws inputs, `stages` lists what there is. `release` makes the students'
notebooks from the solutions, `overview` the lecturers' page.
"""

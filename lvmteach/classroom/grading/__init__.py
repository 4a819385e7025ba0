"""Grading a class: `lvmteach grade SUBMITTED --out GRADED`. What students wrote runs where it can do no harm.

`sheet` finds the submissions and puts a student's cells into the pristine notebook. `desk` is the process in which they
run, behind the walls of `walls` (files) and `calls` (the network, other processes). `judge` holds the references in
another process and asks the desk for results, over `wire`. `grade` is the command, `pages` writes what it found.
"""

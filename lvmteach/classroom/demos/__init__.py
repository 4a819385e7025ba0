"""The live demos, one module a stage: scenes for `lvmteach.classroom.widgets`."""

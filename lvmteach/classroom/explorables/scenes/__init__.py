"""The live demos, one module a stage: scenes for `lvmteach.classroom.explorables.widgets`."""

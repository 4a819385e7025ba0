"""Figures: the look they share (`plots`), diagrams, mixtures (`clusters`), and the course in pictures (`course`)."""

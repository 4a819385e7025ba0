"""Figures: the look they share (`plots`) and the course in pictures (`course`)."""

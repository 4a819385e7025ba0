"""What the classroom needs and the mathematics does not: figures, widgets, notebook tools."""

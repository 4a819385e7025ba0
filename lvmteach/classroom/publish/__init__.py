"""From text to what people open: notebooks, HTML, slides, the lecture demos alone, JupyterLab for a projector."""

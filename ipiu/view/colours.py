"""The colours of all plots and charts."""

# Contrast on white | on #121212, by WCAG 2: blue 5.2 | 3.6, orange 3.5 | 5.3, teal 3.1 | 6.0, magenta 3.6 | 5.2,
# brown 5.6 | 3.4, grey 5.2 | 3.6. All pairs of the first three, and nearly all others, stay apart under
# protanopia, deuteranopia and tritanopia; what must not be confused is told apart by line style as well.
COLOURS = ("#2371ad", "#d9691e", "#21a398", "#d152d1", "#8a5f3c", "#6c6c74")

# the same hues, deep enough for white text: contrast 5.2 to 7.6
DEEP = ("#1d6096", "#a84e12", "#12746c", "#9c2f9c", "#6b4a2f", "#5d5d65")

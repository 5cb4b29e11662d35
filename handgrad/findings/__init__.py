"""What a check found: a verdict and the kinds of mistakes as data, as text and as a page."""

"""Anything with a forward and a backward, run without harm."""

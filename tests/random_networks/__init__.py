"""Random trainings: the engines must agree on networks that are drawn."""

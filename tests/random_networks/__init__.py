"""Random trainings: the engines must agree on networks that nobody thought of."""

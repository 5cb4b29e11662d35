"""The verdict: gradients and contract, by experiment alone."""

"""Neural networks whose every gradient can be read, proved and run."""

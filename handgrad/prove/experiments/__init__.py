"""The doctor's experiments: each looks for one kind of mistake, on copies."""

"""The diagnosis: which mistake explains what was measured."""

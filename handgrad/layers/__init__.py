"""Every layer: a class with forward, and its backward right below."""

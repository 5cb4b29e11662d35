"""The books' `common`: their classes and functions, on top of handgrad's layers."""

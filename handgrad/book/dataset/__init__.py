"""The books' `dataset`: MNIST, Penn Treebank, sequence tasks, a spiral."""

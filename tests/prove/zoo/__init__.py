"""A zoo of backward passes: right ones, wrong ones, and right ones that look odd.

    right/      plain NumPy layers as a book writes them, one file per family
    mutation.py mistakes made by program: each right layer with one thing changed
    handmade/   mistakes written by hand, most of which hide from an ordinary sample
    fair/       right layers in an unusual style: an alarm on one of them is a false alarm
    differ.py   the experiments that show that a mistake really is one
    score.py    what the doctor says about all of them, as a table

Run `python -m tests.prove.zoo.score`.
"""

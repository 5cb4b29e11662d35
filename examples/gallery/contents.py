"""The table of contents, and the page of the documentation that is made of it."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "gallery.md"
CONTENTS = [
    ("Perceptrons and networks", "gates adaline activations fruit_stall numerical_gradient"),
    ("Learning well", "parameter_updates initial_weights overfitting batch_norm hyperparameters"),
    ("Pictures", "simple_convnet deep_convnet depth augmentation grad_cam residual_net line_art"),
    ("Words", "counting word2vec text_generation spam documents word_borders names transformer"),
    ("Sequences", "recurrent_gradients seq2seq attention weather voices"),
    ("Made from noise", "autoencoder conditional_vae dcgan wgan_gp realness_gan stargan"),
    ("Tables and rankings", "house_prices racing ranking adversarial_validation"),
    ("Games", "dqn ppo tic_tac_toe"),
    ("Without backpropagation", "extreme_learning pcanet"),
]
HEAD = """# Gallery

One script a topic, at most 80 lines, in `examples/gallery/`. What stands here was written by the
scripts themselves: each result is of one run with a fixed seed, on two cores of a busy machine.
`python examples/gallery NAME` runs one of them again, `python examples/gallery --short` all of
them in a few minutes, on less data and without keeping anything.
"""

SCRIPTS = [name for _, names in CONTENTS for name in names.split()]


def page() -> str:
    """Of every script what it shows, what came of it, in how many seconds, and its picture."""
    lines = [HEAD]
    for title, names in CONTENTS:
        lines.append(f"## {title}\n")
        for name in names.split():
            shows = (HERE / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
            kept = (PAGE.parent / "gallery" / f"{name}.txt").read_text(encoding="utf-8")
            seconds, result = kept.splitlines()
            picture = next((PAGE.parent / "gallery").glob(f"{name}.[ps][nv]g")).name
            lines += [f"### {shows.partition(':')[0].rstrip('.')}\n", f"{shows}\n"]
            lines.append(f"**{result[0].upper()}{result[1:]}.** `{name}.py`, {seconds} s\n")
            lines.append(f"![{shows}](gallery/{picture})\n")
    return "\n".join(lines)

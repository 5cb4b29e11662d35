"""Penn Treebank for the second book's scripts, from files on this machine."""

from pathlib import Path

from handgrad.arrays import Array
from handgrad.book import sizes
from handgrad.train.images import data_folder
from handgrad.train.text import read_penn_treebank

Words = dict[int, str]
Numbers = dict[str, int]


def load_vocab() -> tuple[Numbers, Words]:
    """From words to numbers, and back, in the order of the training part."""
    _, vocabulary = read_penn_treebank(find("train"))
    return vocabulary.word_to_id, vocabulary.id_to_word


def load_data(data_type: str = "train") -> tuple[Array, Numbers, Words]:
    """The corpus of one part (train, valid or val, test), and the training part's vocabulary."""
    corpus, vocabulary = read_penn_treebank(find("train"))
    if data_type != "train":
        corpus, _ = read_penn_treebank(find(data_type), vocabulary)
    return corpus[: sizes.samples], vocabulary.word_to_id, vocabulary.id_to_word


def find(data_type: str) -> Path:
    """The file of one part: in the folder of data sets, in `ptb/` there, or beside the script's.

    Raises FileNotFoundError where it lies in none of them.
    """
    name = f"ptb.{'valid' if data_type == 'val' else data_type}.txt"
    folders = [data_folder(), data_folder() / "ptb", Path("..", "dataset")]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"ptb: no {name} in {', '.join(map(str, folders))}; put it there, or name its folder in "
        "HANDGRAD_DATA"
    )

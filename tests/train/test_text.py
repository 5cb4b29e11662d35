"""Text data: vocabulary, counting, similarity, batches, tasks."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad.train import text

SENTENCE = "You say goodbye and I say hello."


@pytest.fixture
def small():
    return text.preprocess(SENTENCE)


def test_preprocess_numbers_words_in_the_order_of_their_coming(small):
    corpus, vocabulary = small
    assert corpus.tolist() == [0, 1, 2, 3, 4, 1, 5, 6]
    assert " ".join(vocabulary.decode(corpus)) == "you say goodbye and i say hello ."
    assert len(vocabulary) == 7


def test_preprocess_with_another_tokenizer():
    corpus, vocabulary = text.preprocess("abca", list)
    assert corpus.tolist() == [0, 1, 2, 0]
    assert vocabulary.word_to_id == {"a": 0, "b": 1, "c": 2}


def test_an_unknown_word_is_named(small):
    with pytest.raises(ValueError, match="'thanks' is none of the 7 known words"):
        small[1].encode(["say", "thanks"])
    with pytest.raises(ValueError, match="no word has the number 7"):
        small[1].decode([7])


def test_penn_treebank_closes_lines(tmp_path):
    (tmp_path / "train").write_text(" no it was n't \n black monday \n")
    (tmp_path / "test").write_text("black \n")
    corpus, vocabulary = text.read_penn_treebank(tmp_path / "train")
    assert " ".join(vocabulary.decode(corpus)) == "no it was n't <eos> black monday <eos>"
    test, same = text.read_penn_treebank(tmp_path / "test", vocabulary)
    assert same is vocabulary
    assert test.tolist() == [5, 4]


@pytest.mark.parametrize("window", [1, 2, 20])
def test_co_occurrence_is_the_count_of_pairs(window, rng):
    corpus = rng.integers(5, size=12)
    expected = np.zeros((5, 5), int)
    for i in range(12):
        for j in range(12):
            if i != j and abs(i - j) <= window:
                expected[corpus[i], corpus[j]] += 1
    assert np.array_equal(text.co_occurrence(corpus, 5, window), expected)


def test_co_occurrence_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="from 0 to 2, got 0 to 3"):
        text.co_occurrence([0, 3], 3)
    with pytest.raises(ValueError, match="window must be at least 1"):
        text.co_occurrence([0, 1], 3, 0)


def test_ppmi_is_the_formula_and_0_for_a_word_never_seen():
    counts = np.array([[0, 2, 0], [2, 4, 0], [0, 0, 0]])
    found = text.ppmi(counts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 1], np.log2(2 * 8 / (2 * 6)), rtol=1e-6)
    assert found[0, 0] == 0
    assert not found[2].any()


def test_truncated_svd_finds_the_largest_values(rng):
    left, right = rng.standard_normal((40, 6)), rng.standard_normal((6, 30))
    matrix = left * [32, 16, 8, 4, 2, 1] @ right
    U, S, Vt = text.truncated_svd(matrix, 6)
    np.testing.assert_allclose(S, np.linalg.svd(matrix)[1][:6], rtol=1e-10)
    np.testing.assert_allclose(U * S @ Vt, matrix, atol=1e-9)
    with pytest.raises(ValueError, match="from 1 to 30"):
        text.truncated_svd(matrix, 31)


def test_most_similar_leaves_out_the_word_itself(small):
    corpus, vocabulary = small
    counts = text.co_occurrence(corpus, len(vocabulary))
    found = text.most_similar("you", vocabulary, counts, 3)
    assert [word for word, _ in found] == ["goodbye", "i", "hello"]
    np.testing.assert_allclose([cosine for _, cosine in found], np.sqrt(0.5))


def test_analogy_goes_the_same_way():
    vocabulary = text.Vocabulary(["man", "king", "woman", "queen", "fish"])
    vectors = np.array([[1, 0], [1, 1], [2, 0], [2, 1], [-1, 0]], np.float16)
    assert text.analogy("man", "king", "woman", vocabulary, vectors, 1)[0][0] == "queen"


def test_contexts_and_targets():
    contexts, targets = text.contexts_and_targets([5, 6, 7, 8, 9, 10], 2)
    assert contexts.tolist() == [[5, 6, 8, 9], [6, 7, 9, 10]]
    assert targets.tolist() == [7, 8]
    with pytest.raises(ValueError, match="5 words or more, got 4"):
        text.contexts_and_targets([1, 2, 3, 4], 2)


def test_truncated_batches_go_on_where_they_stopped():
    blocks = list(text.truncated_batches(np.arange(14), 2, 3))
    assert [x.tolist() for x, _ in blocks] == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    assert all(np.array_equal(t, x + 1) for x, t in blocks)
    with pytest.raises(ValueError, match="need 7 words or more, got 6"):
        next(text.truncated_batches(np.arange(6), 2, 3))


def test_pad():
    assert text.pad([[1], [2, 3]]).tolist() == [[1, -1], [2, 3]]
    assert text.pad([[1]], value=0, length=3).tolist() == [[1, 0, 0]]
    with pytest.raises(ValueError, match="a sequence of 2 does not fit"):
        text.pad([[1, 2]], length=1)


def test_additions_are_sums_and_differ():
    pairs = text.additions(500, seed=3)
    assert len(set(pairs)) == 500
    for question, answer in pairs:
        a, b = question.split("+")
        assert (len(question), len(answer), answer[0]) == (7, 5, "_")
        assert int(a) + int(b) == int(answer[1:])
    assert pairs == text.additions(500, seed=3) != text.additions(500, seed=4)


def test_dates_name_the_same_day():
    for question, answer in text.dates(300, seed=1):
        assert (len(question), len(answer)) == (29, 11)
        year, month, day = answer[1:].split("-")
        assert question.rstrip().endswith(year[2:])
        numbers = [n for n in question.replace(",", " ").replace("/", " ").split() if n.isdigit()]
        assert str(int(day)) in numbers
        assert "/" not in question or numbers[0] == str(int(month))


def test_as_arrays_and_back():
    pairs = text.additions(20)
    x, t, vocabulary = text.as_arrays(pairs)
    assert (x.shape, t.shape) == ((20, 7), (20, 5))
    assert ["".join(vocabulary.decode(row)) for row in x] == [question for question, _ in pairs]
    with pytest.raises(ValueError, match=r"the questions have lengths \[1, 2\]"):
        text.as_arrays([("1", "_1"), ("12", "_3")])

"""The generated language against its own parser, and against enumeration of a reduced one."""

import itertools
import math

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share

from lvmteach.data.language import GRAMMAR, Grammar, Topic, entropy, language_vocabulary, read, sentences
from lvmteach.runtime import seeded
from lvmteach.vocabulary import END, PAD, UNKNOWN, lengths, vocabulary

SMALL = Grammar(
    topics=(Topic("farm", ("cow", "witch"), ("feed",)), Topic("sea", ("boat", "gull"), ("follow",))),
    determiners=(("the",), ("the",)),
    adjectives=("old", "red"),
    prepositions=("near",),
    adverbs=("today",),
)


def every_sentence(grammar):
    """All sentences with their probabilities, written out here from the rules' description alone."""
    plurals = {"cow": "cows", "witch": "witches", "boat": "boats", "gull": "gulls"}
    verbs = {"feed": ("fed", "feeds", "feed"), "follow": ("followed", "follows", "follow")}
    pa, pp, pv, pn = grammar.p_adjective, grammar.p_phrase, grammar.p_adverb, grammar.p_negation
    for topic in grammar.topics:
        phrases = []
        for plural, noun, adjective in itertools.product((0, 1), topic.nouns, (None, "old", "red")):
            p = 1 / 4 * (1 - pa if adjective is None else pa / 2)
            words = ["the"] + [adjective] * (adjective is not None) + [plurals[noun] if plural else noun]
            phrases.append((plural, words, p))
        for (plural, subject, p1), present, negated, (_, thing, p2) in itertools.product(
            phrases, (0, 1), (0, 1), phrases
        ):
            verb = topic.verbs[0]
            if negated:
                said = [("do" if plural else "does") if present else "did", "not", verb]
            else:
                said = [verbs[verb][(2 if plural else 1) if present else 0]]
            p = p1 * p2 / 2 / 2 * (pn if negated else 1 - pn)
            rests = [([], 1 - pp)] + [(["near", *words], pp * p3) for _, words, p3 in phrases]
            for (rest, p4), adverb in itertools.product(rests, (0, 1)):
                words = subject + said + thing + rest + ["today"] * adverb
                yield " ".join(words), p * p4 * (pv if adverb else 1 - pv)


@pytest.mark.slow
def test_probabilities_sum_to_one_and_the_entropy_is_theirs():
    p = dict(every_sentence(SMALL))
    assert len(p) == len(list(every_sentence(SMALL)))  # no sentence is made in two ways
    assert math.fsum(p.values()) == pytest.approx(1, abs=1e-12)
    assert -math.fsum(q * math.log(q) for q in p.values()) == pytest.approx(entropy(SMALL), abs=1e-10)
    for sentence, q in p.items():
        assert read(sentence, SMALL).log_prob == pytest.approx(math.log(q), abs=1e-12)


def test_sentences_are_drawn_with_their_probabilities():
    p = dict(every_sentence(SMALL))
    with seeded(0):
        drawn = language_vocabulary(SMALL).decode(sentences(50_000, SMALL).x)
    assert set(drawn) <= set(p)
    assert_mean([math.log(p[s]) for s in drawn], -entropy(SMALL), resolution=0.05)
    negated = sum(" not " in s for s in drawn)
    assert_share(negated, len(drawn), SMALL.p_negation, resolution=0.02)
    most = max(p, key=p.get)
    assert_share(drawn.count(most), len(drawn), p[most], resolution=0.01)


@pytest.mark.slow
def test_the_parsers_mean_is_the_entropy():
    """Choices added up on one side, sentences read word by word on the other."""
    with seeded(1):
        corpus = sentences(20_000)
    readings = [read(sentence) for sentence in language_vocabulary().decode(corpus.x)]
    assert_mean([-r.log_prob for r in readings], entropy(), resolution=0.15)
    assert [r.topic for r in readings] == corpus.topic.tolist()
    assert [r.tense for r in readings] == corpus.tense.tolist()


@pytest.mark.slow
def test_a_missing_term_of_the_entropy_would_be_seen():
    with seeded(1):
        drawn = language_vocabulary().decode(sentences(20_000).x)
    with pytest.raises(AssertionError):
        assert_mean([-read(s).log_prob for s in drawn], entropy(GRAMMAR._replace(p_adverb=0.2)), resolution=0.15)


def test_its_size_is_what_the_course_says():
    with seeded(2):
        x = sentences(20_000).x
    assert len(language_vocabulary()) - 4 == 190
    assert (int(lengths(x).min()) - 1, int(lengths(x).max()) - 1) == (5, 14)
    assert entropy() == pytest.approx(18.4389, abs=5e-5)


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "the cow",
        "the cow feeds the boat",  # two topics
        "the cow feed the goat",  # no agreement
        "the cows feeds the goat",
        "a cows feed the goat",
        "the cow did not fed the goat",
        "the cow feeds the goat today today",
        "the cow feeds the goat near",
        "the cow feeds the goat near the boat",
    ],
)
def test_what_is_no_sentence_is_not_read(sentence):
    assert read(sentence) is None


def test_words_and_numbers():
    v = vocabulary(["b", "a", "b"])
    assert v.words[4:] == ("a", "b")
    x = v.encode([["a", "b"], ["b"], ["c"]])
    assert x.tolist() == [[4, 5, END], [5, END, PAD], [UNKNOWN, END, PAD]]
    assert v.decode(x) == ["a b", "b", "<unknown>"]
    assert lengths(x).tolist() == [3, 2, 2]
    with pytest.raises(ValueError, match=r"got a string; split it: sentence\.split\(\)"):
        v.encode(["a b"])
    with pytest.raises(ValueError, match="at least one, got none"):
        v.encode([])


def test_rows_are_words_then_end_then_padding():
    with seeded(3):
        x = sentences(1000).x
    n = lengths(x)
    at = torch.arange(x.shape[1])
    np.testing.assert_array_equal(x == END, at == n[:, None] - 1)
    np.testing.assert_array_equal(x == PAD, at >= n[:, None])


def test_sentences_are_the_same_where_the_session_computes_in_float64():
    with seeded(11):
        plain = sentences(50).x
    torch.set_default_dtype(torch.float64)
    with seeded(11):
        assert torch.equal(sentences(50).x, plain)

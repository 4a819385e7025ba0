"""A small language made by rules, so that everything about it is known: its entropy, and log p of every sentence.

    the old sailor did not follow many boats near a quiet harbour today

A sentence is made by independent choices: one of six topics and one of two tenses, then noun phrases, a verb, and
what may follow. Nouns and verbs are the topic's own. A noun phrase has a number, the verb agrees with the first. Every
sentence can be read in one way only, so the entropy is the sum of the entropies of the choices. That is the best
negative log-likelihood that any model can reach, on average.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.vocabulary import END, PAD, Vocabulary, vocabulary

PAST = {"feed": "fed", "lead": "led", "stir": "stirred", "map": "mapped"}
PLURAL = {"thief": "thieves"}
SINGULAR_PLURAL = (0, 1)
PAST_PRESENT = (0, 1)


class Topic(NamedTuple):
    """What one can talk about, and what can be said of it."""

    name: str
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]


class Grammar(NamedTuple):
    """The words, and how often what may be left out is said. All other choices are uniform."""

    topics: tuple[Topic, ...]  # equally many nouns and verbs in each
    determiners: tuple[tuple[str, ...], tuple[str, ...]]  # before a singular, before a plural; equally many
    adjectives: tuple[str, ...]
    prepositions: tuple[str, ...]
    adverbs: tuple[str, ...]
    p_adjective: float = 0.4
    p_phrase: float = 0.3
    p_adverb: float = 0.3
    p_negation: float = 0.2


class Corpus(NamedTuple):
    """Sentences as numbers, and the two choices that all of a sentence hangs on."""

    x: Int[Tensor, "N T"]  # words, END, PAD
    topic: Int[Tensor, " N"]
    tense: Int[Tensor, " N"]  # 0 past, 1 present


class Reading(NamedTuple):
    """How a sentence was made, and log p of all ways to make it, in nats."""

    topic: int
    tense: int
    log_prob: float


def _topic(name: str, nouns: str, verbs: str) -> Topic:
    return Topic(name, tuple(nouns.split()), tuple(verbs.split()))


GRAMMAR = Grammar(
    topics=(
        _topic("farm", "cow horse farmer dog hen goat pig lamb", "feed chase lead wash"),
        _topic("sea", "boat sailor wave whale harbour captain gull island", "sight follow cross rescue"),
        _topic("kitchen", "cook spoon baker plate guest soup oven waiter", "serve taste stir heat"),
        _topic("music", "singer drum violin pianist choir song dancer flute", "tune praise record play"),
        _topic("court", "judge lawyer witness thief jury clerk guard prisoner", "question accuse defend free"),
        _topic("space", "planet star comet rocket pilot moon robot satellite", "orbit launch reach map"),
    ),
    determiners=(("the", "a", "every"), ("the", "some", "many")),
    adjectives=("old", "small", "quiet", "bright", "strange", "red"),
    prepositions=("near", "behind", "with"),
    adverbs=("today", "again", "slowly", "often"),
)


@as_annotated
def language_vocabulary(grammar: Grammar = GRAMMAR) -> Vocabulary:
    """The marks and all words of the language."""
    words = {"do", "does", "did", "not", *grammar.adjectives, *grammar.prepositions, *grammar.adverbs}
    words |= {word for number in grammar.determiners for word in number}
    for topic in grammar.topics:
        words |= {form for noun in topic.nouns for form in (noun, _plural(noun))}
        words |= {form for verb in topic.verbs for form in _finite(verb)} | set(topic.verbs)
    return vocabulary(words)


@as_annotated
def sentences(N: int, grammar: Grammar = GRAMMAR) -> Corpus:
    """N independent sentences. From the ambient random stream.

    All slots a sentence may have are filled for all sentences at once; what is left out is then closed up.
    """
    at_least(1, N=N)
    number = {word: i for i, word in enumerate(language_vocabulary(grammar).words)}

    def table(words) -> Tensor:
        return torch.tensor([[number[w] for w in row] for row in words])

    def uniform(n: int) -> Tensor:
        return torch.randint(n, (N,))

    def happens(p: float) -> Tensor:
        return torch.rand(N, dtype=torch.float32) < p  # the same sentences in a session that computes in float64

    def maybe(p: float, word: Tensor) -> Tensor:
        return torch.where(happens(p), word, PAD)

    topic, tense = uniform(len(grammar.topics)), uniform(2)

    def noun_phrase() -> tuple[Tensor, list[Tensor]]:
        plural, noun = uniform(2), uniform(len(grammar.topics[0].nouns))
        nouns = torch.stack([table([t.nouns for t in grammar.topics]),
                             table([map(_plural, t.nouns) for t in grammar.topics])])  # fmt: skip
        determiner = table(grammar.determiners)[plural, uniform(len(grammar.determiners[0]))]
        adjective = maybe(grammar.p_adjective, table([grammar.adjectives])[0, uniform(len(grammar.adjectives))])
        return plural, [determiner, adjective, nouns[plural, topic, noun]]

    plural, subject = noun_phrase()
    verb, negated = uniform(len(grammar.topics[0].verbs)), happens(grammar.p_negation)
    # Past; present after a singular; present after a plural.
    form = tense * (1 + plural)
    helper = table([["did", "does", "do"]])[0, form]
    plain = table([t.verbs for t in grammar.topics])[topic, verb]
    finite = torch.stack([table([[_finite(v)[i] for v in t.verbs] for t in grammar.topics]) for i in range(3)])
    _, object_ = noun_phrase()
    _, other = noun_phrase()
    preposition = maybe(grammar.p_phrase, table([grammar.prepositions])[0, uniform(len(grammar.prepositions))])
    adverb = maybe(grammar.p_adverb, table([grammar.adverbs])[0, uniform(len(grammar.adverbs))])
    slots = [
        *subject,
        torch.where(negated, helper, PAD),
        torch.where(negated, number["not"], PAD),
        torch.where(negated, plain, finite[form, topic, verb]),
        *object_,
        preposition,
        *(torch.where(preposition == PAD, PAD, word) for word in other),
        adverb,
        torch.full((N,), END),
    ]
    x = torch.stack(slots, 1)
    x = x.gather(1, (x == PAD).to(torch.int8).argsort(stable=True, dim=1))
    return Corpus(x, topic, tense)


@as_annotated
def entropy(grammar: Grammar = GRAMMAR) -> float:
    """H(x) in nats a sentence: no model has a smaller mean negative log-likelihood on new sentences.

    The sum of the choices' entropies, which is exact because no sentence can be made in two ways.
    """
    nouns, verbs = len(grammar.topics[0].nouns), len(grammar.topics[0].verbs)
    noun_phrase = (
        math.log(2 * len(grammar.determiners[0]) * nouns)
        + _binary(grammar.p_adjective)
        + grammar.p_adjective * math.log(len(grammar.adjectives))
    )
    return (
        math.log(len(grammar.topics) * 2 * verbs)
        + _binary(grammar.p_negation)
        + 2 * noun_phrase
        + _binary(grammar.p_phrase)
        + grammar.p_phrase * (math.log(len(grammar.prepositions)) + noun_phrase)
        + _binary(grammar.p_adverb)
        + grammar.p_adverb * math.log(len(grammar.adverbs))
    )


@as_annotated
def read(sentence: str, grammar: Grammar = GRAMMAR) -> Reading | None:
    """How a sentence was made and its log probability, by recursive descent; None if the language does not have it.

    It shares no code with `sentences` and `entropy`: the mean of -log_prob over sentences estimates the entropy.
    """
    found = list(_readings(tuple(sentence.split()), grammar))
    if not found:
        return None
    total = math.log(math.fsum(math.exp(reading.log_prob) for reading in found))
    return found[0]._replace(log_prob=total)


def _readings(words: tuple[str, ...], grammar: Grammar) -> Iterator[Reading]:
    for index, topic in enumerate(grammar.topics):
        for number, after_subject, log_subject in _noun_phrases(words, 0, topic, grammar):
            for tense, after_verb, log_verb in _verbs(words, after_subject, number, topic, grammar):
                for _, after_object, log_object in _noun_phrases(words, after_verb, topic, grammar):
                    for log_rest in _rests(words, after_object, topic, grammar):
                        log_prob = log_subject + log_verb + log_object + log_rest
                        yield Reading(index, tense, log_prob - math.log(len(grammar.topics)))


def _noun_phrases(words, at: int, topic: Topic, grammar: Grammar) -> Iterator[tuple[int, int, float]]:
    """(number, where it ends, log p) of each noun phrase that begins at a word."""
    for number in SINGULAR_PLURAL:
        if at >= len(words) or words[at] not in grammar.determiners[number]:
            continue
        nouns = [_plural(noun) if number else noun for noun in topic.nouns]
        log_p = -math.log(2 * len(grammar.determiners[number]) * len(nouns))
        if at + 1 < len(words) and words[at + 1] in nouns:
            yield number, at + 2, log_p + math.log(1 - grammar.p_adjective)
        if at + 2 < len(words) and words[at + 1] in grammar.adjectives and words[at + 2] in nouns:
            yield number, at + 3, log_p + math.log(grammar.p_adjective / len(grammar.adjectives))


def _verbs(words, at: int, number: int, topic: Topic, grammar: Grammar) -> Iterator[tuple[int, int, float]]:
    """(tense, where it ends, log p) of each verb that begins at a word."""
    log_p = -math.log(2 * len(topic.verbs))
    for tense in PAST_PRESENT:
        helper = ("does", "do")[number] if tense else "did"
        for verb in topic.verbs:
            if words[at : at + 3] == (helper, "not", verb):
                yield tense, at + 3, log_p + math.log(grammar.p_negation)
            if words[at : at + 1] == (_finite(verb)[(1 + number) if tense else 0],):
                yield tense, at + 1, log_p + math.log(1 - grammar.p_negation)


def _rests(words, at: int, topic: Topic, grammar: Grammar) -> Iterator[float]:
    """log p of each way to say all that stands after the object."""
    phrases = [(at, math.log(1 - grammar.p_phrase))]
    if at < len(words) and words[at] in grammar.prepositions:
        log_p = math.log(grammar.p_phrase / len(grammar.prepositions))
        phrases += [(end, log_p + log_np) for _, end, log_np in _noun_phrases(words, at + 1, topic, grammar)]
    for end, log_p in phrases:
        if end == len(words):
            yield log_p + math.log(1 - grammar.p_adverb)
        elif end == len(words) - 1 and words[end] in grammar.adverbs:
            yield log_p + math.log(grammar.p_adverb / len(grammar.adverbs))


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return PLURAL.get(noun, noun + ("es" if noun.endswith(("s", "ch")) else "s"))


def _finite(verb: str) -> tuple[str, str, str]:
    """Past; present after a singular; present after a plural."""
    past = PAST.get(verb, verb + ("d" if verb.endswith("e") else "ed"))
    return past, verb + ("es" if verb.endswith(("s", "sh", "ch")) else "s"), verb


def _binary(p: float) -> float:
    """The entropy of a yes with probability p."""
    return -p * math.log(p) - (1 - p) * math.log(1 - p)

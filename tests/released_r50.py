"""The released ResNet-50 model of R2-VOS in the parts of this package, with the fixtures' weights.

The fixtures' weights are functions of released names and shapes; the names are mapped here.
"""
import importlib.util
import re
from itertools import chain
from pathlib import Path
from types import ModuleType

from mmengine.config import Config
from torch import Tensor, nn
from toy_models import build_toy_segmentor

LANGUAGE = 'text_encoder.language_model.'
OWN = ('data_preprocessor.', 'mask_head.mask_predictor.')
CONFIG = Path(__file__).parents[1] / 'configs/_base_/models/r2vos_r50.py'

# feed-forward tails of the dual cross-attention: released names in vision's and text's stream
TAIL = {'update_norm': ('norm2', 'norm_v2l_1'), 'ffn.0': ('linear1', 'linear_v2l_1'),
        'ffn.3': ('linear2', 'linear_v2l_2'), 'ffn_norm': ('norm3', 'norm_v2l_2')}
FFN = {'ffn.layers.0.0': 'linear1', 'ffn.layers.1': 'linear2'}
# (pattern of our names, replacement giving the released name); the first that matches counts.
RULES = [
    (r'backbone\.(.*)', r'backbone.0.body.\1'),
    (r'text_encoder\.projector\.0\.(.*)', r'resizer.fc.\1'),
    (r'text_encoder\.projector\.1\.(.*)', r'resizer.layer_norm.\1'),
    (r'neck\.level_embed', r'transformer.level_embed'),
    (r'neck\.input_proj\.convs\.(\d)\.conv\.(.*)', r'input_proj.\1.0.\2'),
    (r'neck\.input_proj\.convs\.(\d)\.gn\.(.*)', r'input_proj.\1.1.\2'),
    (r'neck\.input_proj\.extra_convs\.0\.conv\.(.*)', r'input_proj.3.0.\1'),
    (r'neck\.input_proj\.extra_convs\.0\.gn\.(.*)', r'input_proj.3.1.\1'),
    (r'neck\.encoder\.layers\.(\d)\.norms\.0\.(.*)', r'transformer.encoder.layers.\1.norm1.\2'),
    (r'neck\.encoder\.layers\.(\d)\.norms\.1\.(.*)', r'transformer.encoder.layers.\1.norm2.\2'),
    (r'neck\.encoder\.(.*)', r'transformer.encoder.\1'),
    (r'neck\.finest_adapter\.conv\.(.*)', r'pixel_decoder.adapter_1.\1'),
    (r'neck\.finest_adapter\.gn\.(.*)', r'pixel_decoder.adapter_1.norm.\1'),
    (r'neck\.grounding\.lateral\.conv\.(.*)', r'pixel_decoder.adapter_4.\1'),
    (r'neck\.grounding\.lateral\.gn\.(.*)', r'pixel_decoder.adapter_4.norm.\1'),
    (r'neck\.grounding\.output\.conv\.(.*)', r'pixel_decoder.layer_4.\1'),
    (r'neck\.grounding\.output\.gn\.(.*)', r'pixel_decoder.layer_4.norm.\1'),
    (r'neck\.grounding\.dynamic_filter\.input_conv\.conv\.(.*)', r'pixel_decoder.dyn_conv.\1'),
    (r'neck\.grounding\.dynamic_filter\.input_conv\.gn\.(.*)', r'pixel_decoder.dyn_conv.norm.\1'),
    (r'neck\.grounding\.dynamic_filter\.filter_proj\.(.*)', r'pixel_decoder.dyn_filter.\1'),
    (r'neck\.grounding\.dynamic_filter\.pool_conv\.(.*)', r'pixel_decoder.pool_conv.\1'),
    (r'neck\.grounding\.dynamic_filter\.pool_norm\.(.*)', r'pixel_decoder.pool_conv.norm.\1'),
    (r'neck\.grounding\.attention\.vision_norm\.(.*)', r'pixel_decoder.cross_attn.norm1.\1'),
    (r'neck\.pyramid\.mask_features\.(.*)', r'pixel_decoder.mask_features.\1'),
    (r'cycle_head\.text_query\.(.*)', r'pixel_decoder.text_query.\1'),
    (r'cycle_head\.text_decoder\.post_norm\.(.*)', r'pixel_decoder.text_decoder.norm.\1'),
    (r'cycle_head\.text_decoder\.layers\.(\d)\.self_attn\.attn\.(.*)',
     r'pixel_decoder.text_decoder.layers.\1.self_attn.\2'),
    (r'cycle_head\.text_decoder\.layers\.(\d)\.cross_attn\.attn\.(.*)',
     r'pixel_decoder.text_decoder.layers.\1.multihead_attn.\2'),
    (r'cycle_head\.text_decoder\.(.*)', r'pixel_decoder.text_decoder.\1'),
    (r'cycle_head\.discriminator\.(.*)', r'neg_classifier.\1'),
    (r'mask_head\.query_position\.(.*)', r'query_embed.\1'),
    (r'mask_head\.reference_points\.(.*)', r'transformer.reference_points.\1'),
    (r'mask_head\.query_mixer\.proj\.(.*)', r'transformer.query_mixer.fc.\1'),
    (r'mask_head\.query_mixer\.norm\.(.*)', r'transformer.query_mixer.layer_norm.\1'),
    (r'mask_head\.score_branches\.(.*)', r'class_embed.\1'),
    (r'mask_head\.box_branches\.(.*)', r'bbox_embed.\1'),
    # the norms of the instance decoder are stored in another order
    (r'mask_head\.decoder\.layers\.(\d)\.norms\.0\.(.*)',
     r'transformer.decoder.layers.\1.norm2.\2'),
    (r'mask_head\.decoder\.layers\.(\d)\.norms\.1\.(.*)',
     r'transformer.decoder.layers.\1.norm1.\2'),
    (r'mask_head\.decoder\.layers\.(\d)\.norms\.2\.(.*)',
     r'transformer.decoder.layers.\1.norm3.\2'),
    (r'mask_head\.decoder\.layers\.(\d)\.self_attn\.attn\.(.*)',
     r'transformer.decoder.layers.\1.self_attn.\2'),
    (r'mask_head\.decoder\.(.*)', r'transformer.decoder.\1'),
]
ATTENTIONS = {
    'neck.fusion.attention': 'fusion_module.multihead_attn',
    'neck.grounding.attention.vision_attention': 'pixel_decoder.cross_attn.v2v_attn',
    'neck.grounding.attention.text_to_vision': 'pixel_decoder.cross_attn.l2v_attn',
    'neck.grounding.attention.vision_to_text': 'pixel_decoder.cross_attn.v2l_attn'}


def load_recipe(test_data: Path) -> ModuleType:
    """The fixtures' recipe as a module."""
    spec = importlib.util.spec_from_file_location('recipe', test_data / 'golden/recipe.py')
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe


class Tokenizer:
    """The recipe's tokenizer under the signature that transformers' have."""

    def __init__(self, recipe: ModuleType) -> None:
        self.encode = recipe.WordTokenizer()

    def __call__(self, sentences: list[str], padding: bool, return_tensors: str) -> dict:
        return self.encode(sentences)


def released_model(test_data: Path) -> nn.Module:
    """The preset of the paper with the four decoder layers of the released code, in eval mode.

    Everything has the released weights except the mask predictor, which the two do not share.
    """
    from transformers import RobertaConfig, RobertaModel
    recipe = load_recipe(test_data)
    config = Config.fromfile(CONFIG).model
    config.backbone.init_cfg = None
    config.mask_head.decoder.num_layers = 4
    model = build_toy_segmentor(
        config, language_model=RobertaModel(RobertaConfig(**recipe.ROBERTA)),
        tokenizer=Tokenizer(recipe))
    shapes = released_shapes(test_data / 'golden/r2vos_r50_released.names.txt')
    state = {}
    # not the state dict: it lacks the weights of a language model that can be had elsewhere
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if name.startswith(LANGUAGE):  # the fixtures' vocabulary is smaller than the released one
            if tensor.is_floating_point():
                state[name] = recipe.fill(name.replace(LANGUAGE, 'text_encoder.'), tensor.shape)
        elif tensor.is_floating_point() and not name.startswith(OWN):
            state[name] = _value(name, shapes, recipe).reshape(tensor.shape)
    _fold_biases(state, recipe)
    left = model.load_state_dict(state, strict=False)
    assert not left.unexpected_keys
    assert all(k.startswith(OWN) or k.endswith('num_batches_tracked') for k in left.missing_keys)
    return model.eval()


def released_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the released tensors by name."""
    rows = (line.split('\t') for line in path.read_text().splitlines())
    return {row[0]: tuple(map(int, re.findall(r'\d+', row[1]))) for row in rows}


def _value(name: str, shapes: dict[str, tuple[int, ...]], recipe: ModuleType) -> Tensor:
    """The released weight behind one of our names."""
    def fill(released: str) -> Tensor:
        return recipe.fill(recipe.canonical(released), shapes[released])

    owner, leaf = name.rsplit('.', 1)
    owner, part = owner.rsplit('.', 1) if '.' in owner else ('', owner)
    if owner in ATTENTIONS:
        released = ATTENTIONS[owner]
        if part == 'out_proj':
            return fill(f'{released}.out_proj.{leaf}')
        row = ('query_proj', 'key_proj', 'value_proj').index(part)
        return fill(f'{released}.in_proj_{leaf}').chunk(3)[row]
    if owner == 'neck.grounding.attention':
        if part == 'text_query':
            return fill(f'pixel_decoder.cross_attn.proj_l_q.{leaf}')
        if part in ('vision_key', 'vision_value'):
            half = ('vision_key', 'vision_value').index(part)
            return fill(f'pixel_decoder.cross_attn.proj_v_kv.{leaf}').chunk(2)[half]
    tail = re.fullmatch(r'neck\.grounding\.attention\.(vision|text)_tail\.(.*)\.(\w+)', name)
    if tail:
        released = TAIL[tail[2]][tail[1] == 'text']
        return fill(f'pixel_decoder.cross_attn.{released}.{leaf}')
    pyramid = re.fullmatch(r'neck\.pyramid\.(layer|adapter)s\.(\d)\.(conv|gn)\.(\w+)', name)
    if pyramid:
        norm = '.norm' if pyramid[3] == 'gn' else ''
        return fill(f'pixel_decoder.{pyramid[1]}_{3 - int(pyramid[2])}{norm}.{leaf}')
    return fill(_released_name(name))


def _released_name(name: str) -> str:
    for pattern, replacement in RULES:
        if re.fullmatch(pattern, name):
            name = re.sub(pattern, replacement, name)
            break
    for ours, theirs in FFN.items():
        name = name.replace(ours, theirs)
    if 'text_decoder' in name:
        name = re.sub(r'norms\.(\d)', lambda m: f'norm{int(m[1]) + 1}', name)
    return name


def _fold_biases(state: dict[str, Tensor], recipe: ModuleType) -> None:
    """Released W_q and W_kv have biases; b before an in-projection A is the bias A b behind it."""
    released = 'pixel_decoder.cross_attn'
    key, value = recipe.fill(f'{released}.proj_v_kv.bias', (512,)).chunk(2)
    query = recipe.fill(f'{released}.proj_l_q.bias', (256,))
    for part, bias in (('query', query), ('key', key), ('value', value)):
        prefix = f'neck.grounding.attention.vision_to_text.{part}_proj'
        state[f'{prefix}.bias'] = state[f'{prefix}.bias'] + state[f'{prefix}.weight'] @ bias

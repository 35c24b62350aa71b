"""Count the parameters and floating point operations of configs.

    python tools/analysis_tools/get_flops.py configs/r2vos_r50.py configs/r2vos/released/*.py

Operations are those of matrix products, convolutions and attention in testing, two per
multiply-add: once per clip (backbone, input projections) and once per expression (fusion, encoder,
grounding, pyramid, instance decoder, masks). The backbone is counted without running it; the rest
runs on the CPU. The language model is excluded, because it runs once per distinct expression.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import parser_of, short_errors

if TYPE_CHECKING:
    from torch import Tensor

    from r2vos_mm.models.segmentors import ReferringVideoSegmentor
    from r2vos_mm.structures import ClipFeatures, TextFeatures

HEADER = (
    '| config | parameters | trained | backbone | per clip | per further sentence |\n'
    '|---|---|---|---|---|---|'
)
# Tokens of a typical expression of Refer-YouTube-VOS, including start and end token.
_WORDS = 12


def plain_attention() -> AbstractContextManager:
    """Return a context that disables fused attention, whose operations are not counted."""
    import torch

    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:  # PyTorch before 2.3
        return torch.backends.cuda.sdp_kernel(enable_flash=False, enable_mem_efficient=False)
    return sdpa_kernel(SDPBackend.MATH)


@dataclass(frozen=True)
class Cost:
    """Cost of one config without the language model.

    Attributes:
        config: its name.
        parameters, trained, backbone: numbers of parameters.
        clip: operations for one clip with one expression.
        sentence: operations for each further expression.
    """

    config: str
    parameters: int
    trained: int
    backbone: int
    clip: int
    sentence: int

    def row(self) -> str:
        """Return a row of :data:`HEADER`'s table."""
        return (
            f'| {self.config} | {self.parameters / 1e6:.1f} M | {self.trained / 1e6:.1f} M | '
            f'{self.backbone / 1e6:.1f} M | {self.clip / 1e9:.0f} GFLOP | '
            f'{self.sentence / 1e9:.0f} GFLOP |'
        )


def build(path: Path, hidden_size: int) -> ReferringVideoSegmentor:
    """Build the model of the config without language model and without loading weights."""
    from torch import nn

    from r2vos_mm.engine import read_config
    from r2vos_mm.registry import MODELS

    no_language_model = nn.Module()
    no_language_model.config = argparse.Namespace(hidden_size=hidden_size)  # for the projector
    config = read_config(path, needs=['model']).model.to_dict()
    config['backbone']['init_cfg'] = None
    config['text_encoder'].update(language_model=no_language_model, tokenizer=object())
    return MODELS.build(config).eval()


def measure(path: Path, *, frames: int, size: tuple[int, int], hidden_size: int) -> Cost:
    """Count the cost of one config for one clip."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from r2vos_mm.structures import TextFeatures

    model = build(path, hidden_size)
    weights = list(model.parameters())
    backbone = sum(p.numel() for p in model.backbone.parameters())
    trained = sum(p.numel() for p in weights if p.requires_grad)
    model.requires_grad_(False)  # otherwise the counter would hook into their gradients
    maps, of_backbone = backbone_maps(model, frames, size)
    channels = model.text_encoder.projector[0].out_features
    text = TextFeatures(
        torch.randn(1, _WORDS, channels),
        torch.randn(1, channels),
        torch.zeros(1, _WORDS, dtype=torch.bool),
    )
    padding = torch.zeros(1, frames, *size, dtype=torch.bool)
    with torch.no_grad(), plain_attention(), FlopCounterMode(display=False) as counter:
        clips = model.neck.project(maps, padding)
        projections = counter.get_total_flops()
        read_sentence(model, clips, text)
    sentence = counter.get_total_flops() - projections
    return Cost(
        config=path.stem if path.parent.name == 'configs' else f'{path.parent.name}/{path.stem}',
        parameters=sum(p.numel() for p in weights),
        trained=trained,
        backbone=backbone,
        clip=of_backbone + projections + sentence,
        sentence=sentence,
    )


def read_sentence(model: ReferringVideoSegmentor, clips: ClipFeatures, text: TextFeatures) -> None:
    """Run the part of a test that follows the projections, for one expression."""
    import torch

    from r2vos_mm.structures import WordEvidence

    evidence, presence = None, []
    if model.word_maps is not None:
        frames, coarsest = clips.finest.shape[1], clips.paddings[-1].shape[-2:]
        evidence = WordEvidence(torch.zeros(1, frames, *coarsest), torch.ones(1, frames))
        presence = [evidence.presence]
    grounded = model.neck.ground(clips, text, torch.zeros(1, dtype=torch.long), evidence)
    cycle = model.cycle_head and model.cycle_head(
        grounded.early, grounded.padding, grounded.position, text.sentence, *presence
    )
    features = model.neck.mask_features(clips, grounded)
    model.mask_head(
        grounded.memory,
        features if isinstance(features, torch.Tensor) else features.compute(),
        text.sentence,
        cycle and cycle.reconstructed,
        last_only=True,
    )


def backbone_maps(
    model: ReferringVideoSegmentor, frames: int, size: tuple[int, int]
) -> tuple[list[Tensor], int]:
    """Return noise with the shapes of the backbone's feature maps, and the operations."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    backbone = copy.deepcopy(model.backbone).to('meta')
    shape = (1, frames, 3, *size) if getattr(backbone, 'takes_clips', False) else (frames, 3, *size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        maps = backbone(torch.zeros(shape, device='meta'))
    return [torch.randn(x.shape) for x in maps], counter.get_total_flops()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: one row per config."""
    parser = parser_of(__doc__)
    parser.add_argument('configs', nargs='+', type=Path, help='config files')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=[360, 640],
        metavar=('H', 'W'),
        help='(default: 360 640)',
    )
    parser.add_argument('--frames', type=int, default=5, help='(default: %(default)s)')
    parser.add_argument(
        '--hidden-size',
        type=int,
        default=768,
        help='width of the language model (default: %(default)s)',
    )
    args = parser.parse_args(arguments)
    with short_errors(args.debug):
        print(HEADER)
        for path in args.configs:
            cost = measure(
                path, frames=args.frames, size=tuple(args.size), hidden_size=args.hidden_size
            )
            print(cost.row(), flush=True)


if __name__ == '__main__':
    main()

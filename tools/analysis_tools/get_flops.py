"""Parameters and floating point operations of configs.

    python tools/analysis_tools/get_flops.py configs/r2vos_r50.py configs/r2vos/released/*.py

Operations are those of matrix products, convolutions and attention, two per multiply-add, in
testing: once per clip (backbone, input projections) and once more per sentence (fusion, encoder,
grounding, pyramid, instance decoder, masks). The backbone is counted without computing it, the rest
runs on the CPU. The language model is left out: it runs once per distinct sentence.
"""

import argparse
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.engine.launch import existing_file, short_errors
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClipFeatures, TextFeatures

try:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    _plain_attention = partial(sdpa_kernel, SDPBackend.MATH)
except ImportError:  # PyTorch before 2.3
    _plain_attention = partial(
        torch.backends.cuda.sdp_kernel, enable_flash=False, enable_mem_efficient=False
    )

HEADER = (
    '| config | parameters | trained | backbone | per clip | per further sentence |\n'
    '|---|---|---|---|---|---|'
)
# Words of a sentence, start and end token included: a usual one of Refer-YouTube-VOS.
_WORDS = 12


class _NoLanguageModel(nn.Module):
    """Has the width that the projector asks for, and nothing else."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.config = argparse.Namespace(hidden_size=hidden_size)


@dataclass(frozen=True)
class Figures:
    """Cost of one config, the language model left out.

    Attributes:
        config: its name.
        parameters, trained, backbone: numbers of parameters.
        clip: operations for one clip with one sentence.
        sentence: operations for each further sentence.
    """

    config: str
    parameters: int
    trained: int
    backbone: int
    clip: int
    sentence: int

    def row(self) -> str:
        """A row of :data:`HEADER`'s table."""
        return (
            f'| {self.config} | {self.parameters / 1e6:.1f} M | {self.trained / 1e6:.1f} M | '
            f'{self.backbone / 1e6:.1f} M | {self.clip / 1e9:.0f} GFLOP | '
            f'{self.sentence / 1e9:.0f} GFLOP |'
        )


def build(path: Path, hidden_size: int) -> ReferringVideoSegmentor:
    """The config's model without a language model and without weights to load."""
    config = Config.fromfile(existing_file(str(path), what='Config')).model.to_dict()
    config['backbone']['init_cfg'] = None
    config['text_encoder'].update(language_model=_NoLanguageModel(hidden_size), tokenizer=object())
    return MODELS.build(config).eval()


def count(counter: FlopCounterMode) -> int:
    """Operations so far."""
    return counter.get_total_flops()


@torch.no_grad()
def measure(path: Path, *, frames: int, size: tuple[int, int], hidden_size: int) -> Figures:
    """Figures of one config for one clip."""
    model = build(path, hidden_size)
    weights = list(model.parameters())
    backbone = sum(p.numel() for p in model.backbone.parameters())
    trained = sum(p.numel() for p in weights if p.requires_grad)
    model.requires_grad_(False)  # or the counter would hook into their gradients
    maps, of_backbone = backbone_maps(model, frames, size)
    channels = model.text_encoder.projector[0].out_features
    text = TextFeatures(
        torch.randn(1, _WORDS, channels),
        torch.randn(1, channels),
        torch.zeros(1, _WORDS, dtype=torch.bool),
    )
    padding = torch.zeros(1, frames, *size, dtype=torch.bool)
    # the fused attention of the CPU is not counted; its plain form is
    with _plain_attention(), FlopCounterMode(display=False) as counter:
        clips = model.neck.project(maps, padding)
        projections = count(counter)
        read_sentence(model, clips, text)
    sentence = count(counter) - projections
    return Figures(
        config=path.stem if path.parent.name == 'configs' else f'{path.parent.name}/{path.stem}',
        parameters=sum(p.numel() for p in weights),
        trained=trained,
        backbone=backbone,
        clip=of_backbone + projections + sentence,
        sentence=sentence,
    )


def read_sentence(model: ReferringVideoSegmentor, clips: ClipFeatures, text: TextFeatures) -> None:
    """All that testing computes for one sentence behind the projections."""
    grounded = model.neck.ground(clips, text, torch.zeros(1, dtype=torch.long))
    cycle = model.cycle_head and model.cycle_head(
        grounded.early, grounded.padding, grounded.position, text.sentence
    )
    model.mask_head.last_layer(
        grounded.memory,
        model.neck.mask_features(clips, grounded),
        text.sentence,
        cycle and cycle.reconstructed,
    )


def backbone_maps(
    model: ReferringVideoSegmentor, frames: int, size: tuple[int, int]
) -> tuple[list[Tensor], int]:
    """Maps of noise in the shapes that the backbone gives, and its operations."""
    backbone = copy.deepcopy(model.backbone).to('meta')
    shape = (1, frames, 3, *size) if getattr(backbone, 'takes_clips', False) else (frames, 3, *size)
    with FlopCounterMode(display=False) as counter:
        maps = backbone(torch.zeros(shape, device='meta'))
    return [torch.randn(x.shape) for x in maps], count(counter)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: one row per config."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    with short_errors():
        print(HEADER)
        for path in args.configs:
            figures = measure(
                path, frames=args.frames, size=tuple(args.size), hidden_size=args.hidden_size
            )
            print(figures.row(), flush=True)


if __name__ == '__main__':
    main()

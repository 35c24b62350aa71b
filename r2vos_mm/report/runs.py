"""Read the files of a tested run: scores of pairs, masks, config, environment and checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs
from r2vos_mm.utils.data_issues import shown
from r2vos_mm.utils.files import PathLike, file_sha256, read_text
from r2vos_mm.utils.settings import jfr_settings

from .dumped_config import config_sha256, read_dumped_config

DEFAULT_GATE = 0.5
_ENVIRONMENT = re.compile(r'^System environment:\n(.*?)^\n?Runtime environment:', re.M | re.S)
_SETTING = re.compile(r'^    (\S[^:]*): (.+)$', re.M)
_VERSION = re.compile(r' - (r2vos_mm) (\S+)$', re.M)
_PRECISION = re.compile(r' - (Precision on \S+): (.+)$', re.M)


@dataclass
class Run:
    """One tested run.

    Attributes:
        name: its name in tables.
        csv_path: the scores of its pairs.
        pairs: these scores, sorted by pair id.
        config, config_path: settings that the test has dumped, and their file; None if unknown.
        masks_path: predicted masks, None if unknown.
        environment: versions and devices by name, from the log of the test.
        notes: what could not be read, one sentence each.
    """

    name: str
    csv_path: Path
    pairs: list[PairScores]
    config: dict[str, Any] | None = None
    config_path: Path | None = None
    masks_path: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def metric(self) -> Mapping[str, Any]:
        """Settings of ``JFRMetric`` in the config; empty if unknown."""
        return metric_settings(self.config or {})

    @property
    def gate_threshold(self) -> float:
        """Consensus from which on the gate of the run keeps a pair; 0.5 if unknown."""
        model = (self.config or {}).get('model') or {}
        return float((model.get('test_cfg') or {}).get('gate_threshold', DEFAULT_GATE))

    @property
    def has_verdict(self) -> bool:
        """Whether the model gives a consensus."""
        return any(pair.consensus is not None for pair in self.pairs)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Paths and SHA-256 of the files that identify the run, by name."""
        found = {'scores': str(self.csv_path), 'scores SHA-256': file_sha256(self.csv_path)}
        if self.config is not None:
            found |= {'config': str(self.config_path), 'config SHA-256': config_sha256(self.config)}
        checkpoint = (self.config or {}).get('load_from')
        if checkpoint:
            is_here = Path(checkpoint).is_file()
            digest = file_sha256(checkpoint) if is_here else 'the file was not found'
            found |= {'checkpoint': checkpoint, 'checkpoint SHA-256': digest}
        return found | ({'masks': str(self.masks_path)} if self.masks_path else {})


def read_run(path: PathLike, *, name: str = '', masks: PathLike | None = None) -> Run:
    """Read a run.

    Args:
        path: work folder of a test with ``csv_path`` or ``--out NAME.csv``; or a CSV of pairs, of a
            test or of ``r2vos score --csv``.
        name: name in tables; by default that of the folder, or of the CSV.
        masks: predicted masks: a ``.pkl`` of ``r2vos test --out`` or what ``r2vos gate`` reads. By
            default the ``.pkl`` in the folder, if there is one only, or beside the CSV with the
            same name.

    Raises:
        FileNotFoundError, ValueError: there is no CSV of pairs, or it cannot be read.
    """
    path = Path(path)
    configs = _dumped_configs(path if path.is_dir() else path.parent)
    csv_path = _csv_in(path, configs) if path.is_dir() else path
    pairs = sorted(read_pairs(csv_path), key=lambda pair: pair.pair_id)
    if not pairs:
        raise ValueError(f'{csv_path} has no pairs: the test is not complete')
    run = Run(name or (path.resolve().name if path.is_dir() else path.stem), csv_path, pairs)
    if masks is not None:
        run.masks_path = Path(masks)
    else:
        found = sorted(path.glob('*.pkl')) if path.is_dir() else [csv_path.with_suffix('.pkl')]
        found = [file for file in found if file.is_file()]
        run.masks_path = found[0] if len(found) == 1 else None
        if len(found) > 1:
            run.notes.append(f'{shown([f.name for f in found])}: choose the masks with --masks')
    _add_config(run, configs)
    return run


def metric_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of ``JFRMetric`` in a config; empty without one."""
    return next(iter(jfr_settings(config.get('test_evaluator'))), {})


def _dumped_configs(folder: Path) -> list[tuple[Path, dict[str, Any] | str]]:
    """Return the configs that runs in a folder wrote, newest first; a message for broken ones."""
    found: list[tuple[Path, dict[str, Any] | str]] = []
    for path in sorted(folder.glob('*/vis_data/config.py'), reverse=True):
        try:
            found.append((path, read_dumped_config(path)))
        except ValueError as error:
            found.append((path, str(error)))
    return found


def _csv_in(folder: Path, configs: Sequence[tuple[Path, Any]]) -> Path:
    """Return the CSV of the newest test in a folder."""
    named = (metric_settings(c).get('csv_path') for _, c in configs if isinstance(c, dict))
    here = [folder / Path(name).name for name in named if name]
    existing = [path for path in here if path.is_file()] or sorted(folder.glob('*.csv'))
    existing = [path for path in dict.fromkeys(existing) if '.objects' not in path.name]
    if len(existing) != 1:
        what = f'has {shown([path.name for path in existing])}' if existing else 'has no scores'
        raise ValueError(
            f'{folder} {what}: name one CSV of pairs; r2vos test CONFIG CHECKPOINT --work-dir '
            f'{folder} --out {folder}/pairs.csv {folder}/masks.pkl writes one'
        )
    return existing[0]


def _add_config(run: Run, configs: Sequence[tuple[Path, dict[str, Any] | str]]) -> None:
    """Add config and environment of the test that wrote the CSV: the newest one before it."""
    written = run.csv_path.stat().st_mtime + 1
    own = [
        (path, config)
        for path, config in configs
        if isinstance(config, str)
        or Path(str(metric_settings(config).get('csv_path'))).name == run.csv_path.name
    ]
    for path, config in [item for item in own if item[0].stat().st_mtime <= written] or own[:1]:
        if isinstance(config, str):
            run.notes.append(config)
            continue
        run.config, run.config_path = config, path
        run.environment = _environment_in(path.parent.parent)
        checkpoint = Path(config.get('load_from') or '')
        if checkpoint.is_file() and checkpoint.stat().st_mtime > written:
            run.notes.append(f'the checkpoint {checkpoint} was written after the test')
        return
    run.notes.append('no dumped config was found: settings and environment are unknown')


def _environment_in(folder: Path) -> dict[str, str]:
    """Return versions and devices from the log of a test."""
    for path in sorted(folder.glob('*.log')):
        text = read_text(path)
        block = _ENVIRONMENT.search(text)
        if block is None:
            continue
        found = {**dict(_VERSION.findall(text)), **dict(_SETTING.findall(block[1]))}
        found.pop('PyTorch compiling details', None)
        return found | dict(_PRECISION.findall(text))
    return {}

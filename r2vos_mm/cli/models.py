"""List the models of this package with their results, and the names that other commands accept.

    r2vos models
    r2vos models tiny
    r2vos models --json

Values are in percent. Those marked (published) are of the papers and were not measured again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json

from r2vos_mm.engine.model_index import ListedModel, listed_models
from r2vos_mm.utils.cli import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('part', nargs='?', default='', help='only models with this in their names')
    parser.add_argument('--json', action='store_true', help='print a JSON list')


def run(args: argparse.Namespace) -> None:
    """Print the models."""
    models = [entry for entry in listed_models() if matches(entry, args.part)]
    if not models:
        raise UsageError(f'no model has {args.part!r} in its name')
    if args.json:
        records = [dataclasses.asdict(entry) for entry in models]
        print(json.dumps(records, default=str, indent=2))
    else:
        print('\n'.join(line for entry in models for line in lines_of(entry)))


def matches(entry: ListedModel, part: str) -> bool:
    """Return whether a model's name, an alias or its training data contains ``part``."""
    texts = entry.name, *entry.aliases, entry.training_data
    return any(part.lower() in text.lower() for text in texts)


def lines_of(entry: ListedModel) -> list[str]:
    """Describe a model: its names, what it was trained on, its weights and results."""
    aliases = f' ({", ".join(entry.aliases)})' if entry.aliases else ''
    lines = [f'{entry.name}{aliases}', f'    {entry.method}, trained on {entry.training_data}']
    if entry.metrics:
        values = ', '.join(f'{name} {value}' for name, value in entry.metrics.items())
        lines.append(f'    {entry.dataset}: {values}')
    if entry.weights:
        lines.append(f'    weights: {entry.weights}')
    if entry.released:
        lines.append(f'    released weights: {entry.released}')
    return lines

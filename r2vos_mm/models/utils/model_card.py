"""Write the model card, ``README.md``, of a saved model."""

from collections.abc import Mapping
from typing import Any

import yaml

FIELDS = ('name', 'method', 'license', 'data', 'metrics', 'notes')
"""Facts that a card can state: texts, and ``metrics`` as numbers by name."""

_TEXT = """# {name}

{method} for referring video object segmentation: given a video and expressions, it returns one mask
per frame for the object of each expression, and whether that object is in the video.

| | |
|---|---|
| training data | {data} |
| licence | {license} |
| threshold | a consensus below {threshold:g} means "not in the video" |
| parameters | {parameters:.1f} M{left_out} |

## Metrics

{metrics}

## Use

```python
from r2vos_mm.apis import R2VOSInferencer

seg = R2VOSInferencer('PATH/OF/THIS/FOLDER')
out = seg('video.mp4', texts=['the dog on the left', 'a red car'], out_dir='masks')
for result in out['predictions']:
    print(result.found, result.consensus)
```

`r2vos_mm.apis.init_model('PATH/OF/THIS/FOLDER')` returns the model itself. `model.safetensors`
holds the weights, `config.json` the config.{tokenizer}
{notes}"""


def card_text(
    card: Mapping[str, Any],
    *,
    threshold: float,
    parameters: int,
    left_out: Mapping[str, str],
    has_tokenizer: bool,
) -> str:
    """Return the text of a card, in which missing facts are marked as not stated.

    Args:
        card: values of :data:`FIELDS`.
        threshold: gate threshold of the model.
        parameters: number of parameters.
        left_out: parts whose weights are not in the file, with their sources.
        has_tokenizer: whether a tokenizer is beside the weights.

    Raises:
        ValueError: the card has other fields.
    """
    if unknown := set(card) - set(FIELDS):
        raise ValueError(f'card: {", ".join(sorted(unknown))} is unknown; fields: {FIELDS}')
    head = dict(library_name='r2vos_mm', tags=['referring-video-object-segmentation', 'mmengine'])
    if card.get('license'):
        head['license'] = card['license']
    sources = ', '.join(f'{part} from {source}' for part, source in left_out.items())
    rows = [f'| {name} | {value} |' for name, value in (card.get('metrics') or {}).items()]
    table = '\n'.join(['| metric | value |', '|---|---|', *rows])
    body = _TEXT.format(
        name=card.get('name') or 'Model',
        method=card.get('method') or 'A model',
        data=card.get('data') or 'not stated',
        license=card.get('license') or 'not stated',
        threshold=threshold,
        parameters=parameters / 1e6,
        left_out=f'; left out of the file, and taken from their sources: {sources}' * bool(sources),
        metrics=table if rows else 'None stated.',
        tokenizer=' `tokenizer/` holds the tokenizer of the language model.' * has_tokenizer,
        notes=f'\n{card["notes"]}\n' if card.get('notes') else '',
    )
    return f'---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{body}'

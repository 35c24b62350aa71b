"""Label the videos of a manifest with Ray Data, and write Parquet or JSON Lines.

    python tools/label_with_ray.py jobs.jsonl labels --model r2vos_tiny --actors 2

The manifest is that of r2vos predict --manifest, in JSON Lines. This is an example of BatchLabeller
in a pipeline of Ray; r2vos predict --engine ray also continues a run that was stopped.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from r2vos_mm.apis.collection.manifest import read_manifest
from r2vos_mm.utils.cli import check_writable, parser_of, positive, short_errors
from r2vos_mm.utils.lazy import import_extra


def label(args: argparse.Namespace) -> None:
    """Read, segment and write."""
    check_writable(args.out, what='out', is_folder=True)
    rows = [job.as_dict() for job in read_manifest(args.manifest)]

    from r2vos_mm.apis.collection.ray_data import BatchLabeller

    data = import_extra('ray.data', 'ray')
    # One video per block: of a lost actor, only what it worked on is done again.
    videos = data.from_items(rows, override_num_blocks=len(rows))
    labels = videos.map_batches(
        BatchLabeller,
        fn_constructor_args=[args.model, args.weights],
        batch_size=1,
        concurrency=args.actors,
        num_gpus=args.gpus,
    )
    write = labels.write_parquet if args.format == 'parquet' else labels.write_json
    write(str(args.out.absolute()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('manifest', type=Path, help='JSON Lines with id, video and expressions')
    parser.add_argument('out', type=Path, help='folder for the files')
    parser.add_argument('--model', default='r2vos_real', help='name, config or released checkpoint')
    parser.add_argument('--weights', help='file or address (default: those of the named model)')
    parser.add_argument('--format', choices=('parquet', 'jsonl'), default='parquet')
    parser.add_argument('--actors', type=positive(int), default=1, help='copies of the model')
    parser.add_argument('--gpus', type=float, default=0, help='GPUs per actor (default: none)')
    args = parser.parse_args(arguments)
    with short_errors(args.debug):
        label(args)


if __name__ == '__main__':
    main()

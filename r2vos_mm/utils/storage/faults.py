"""Retry operations of storage backends, and report faults in one line without secrets."""

from __future__ import annotations

import errno
import os
import re
import time
import zipfile
from collections.abc import Callable
from typing import Any, TypeVar

from ..cli import UsageError, UserError, one_line
from ..settings import walk

Result = TypeVar('Result')

RETRIES, WAIT, LONGEST_WAIT = 3, 0.5, 10.0
_SECRET_NAME = re.compile(
    r'secret|passw|token|credential|access_?key|signature|connection_?string|(^|[_-])key$|^auth',
    re.I,
)
_USER_IN_ADDRESS = re.compile(r'://[^/@\s]+:[^/@\s]+@')
_LOGIN_IN_ADDRESS = re.compile(r'://[^/?#\s]*@')
_QUERY = re.compile(r'(://[^\s?]+)\?[^\s)\'"]+')
_NOT_FOUND, _REFUSED, _WORTH_RETRYING = (404, 410), (401, 403), (408, 425, 429)
_LASTING = (PermissionError, ImportError, NotImplementedError, TypeError, ValueError, LookupError)


class StorageError(UserError, RuntimeError):
    """A storage backend does not answer or refuses; a training then does not draw another item."""


def with_retries(
    operation: Callable[[], Result], address: str, *, retries: int = RETRIES, wait: float = WAIT
) -> Result:
    """Return the result of an operation, which is tried again after faults that may pass.

    Args:
        operation: what to do with the object.
        address: its address, for messages.
        retries, wait: see :class:`.storage.StoredPath`.

    Raises:
        FileNotFoundError, StorageError: see :class:`.storage.StoredPath`.
        OSError: the object is a damaged archive.
    """
    for attempt in range(retries + 1):
        try:
            return operation()
        except UserError:
            raise
        except zipfile.BadZipFile as error:
            raise OSError(without_secrets(f'{address}: {one_line(error)}')) from error
        except Exception as error:  # each backend has its own errors
            if _status(error) in _NOT_FOUND or isinstance(error, FileNotFoundError):
                raise missing(address) from error
            if attempt == retries or not _may_pass(error):
                raise StorageError(_message(address, error, attempt + 1)) from error
            time.sleep(min(wait * 2**attempt, LONGEST_WAIT))
    raise AssertionError


def refuse_secrets(settings: Any) -> None:
    """Raise UsageError for keys in ``backend_args`` and passwords in addresses of settings.

    Settings are written to logs and work folders.
    """
    for path, value in walk(settings):
        where = '.'.join(path)
        if 'backend_args' in path[:-1] and _SECRET_NAME.search(path[-1]):
            raise UsageError(
                f'{where}: credentials do not belong in settings, which are written to logs and '
                'work folders; set them in the environment, such as AWS_ACCESS_KEY_ID and '
                'AWS_SECRET_ACCESS_KEY'
            )
        if isinstance(value, str) and _USER_IN_ADDRESS.search(value):
            raise UsageError(
                f'{where}: the address has a password, which would be written to logs and work '
                'folders; set it in the environment, or in ~/.netrc'
            )


def without_secrets(text: str) -> str:
    """Return a message without secrets of addresses and of the environment.

    Queries are removed, too: that of a signed address lets anybody read the object.
    """
    text = _QUERY.sub(r'\1?...', _LOGIN_IN_ADDRESS.sub('://...@', text))
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(value, '***')
    return text


def public_address(address: str) -> str:
    """Return an address without login, query and fragment, which may be secrets; paths stay."""
    if '://' not in address:
        return address
    return re.split(r'[?#]', _LOGIN_IN_ADDRESS.sub('://', address), maxsplit=1)[0]


def _status(error: BaseException) -> int | None:
    """Return the status of an answer of HTTP that an error is about."""
    found = getattr(error, 'status', None) or getattr(error, 'code', None)
    return found if isinstance(found, int) else None


def _may_pass(error: Exception) -> bool:
    status = _status(error)
    if status is not None and 400 <= status < 500:
        return status in _WORTH_RETRYING
    is_lasting = isinstance(error, _LASTING) or type(error) is RuntimeError
    return not is_lasting and 'Credential' not in type(error).__name__


def missing(address: str) -> FileNotFoundError:
    """Return the error of an object that is not there."""
    return FileNotFoundError(errno.ENOENT, 'there is no such object', without_secrets(address))


def _message(address: str, error: Exception, attempts: int) -> str:
    what = f'{type(error).__name__}: {one_line(error)}' if str(error) else type(error).__name__
    refused = isinstance(error, PermissionError) or 'Credential' in type(error).__name__
    if refused or _status(error) in _REFUSED:
        what = f'access is refused ({what}): check the credentials in the environment'
    elif isinstance(error, ImportError):
        what = one_line(error)
    elif isinstance(error, TimeoutError) or 'Timeout' in type(error).__name__:
        what = f'no answer in time ({what})'
    tries = f', after {attempts} attempts' if attempts > 1 else ''
    return without_secrets(f'{address or "the storage"} cannot be reached{tries}: {what}')

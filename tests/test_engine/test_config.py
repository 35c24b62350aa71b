"""Configs of any kind are read, or refused in one line that names file and reason."""

from pathlib import Path

import pytest

from r2vos_mm.engine import read_config
from r2vos_mm.utils.cli import UsageError

ROOT = Path(__file__).parents[2]
TINY = ROOT / 'configs' / 'r2vos_tiny_refshapes.py'


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Function that writes files of a folder, which is current, and returns the first."""
    monkeypatch.chdir(tmp_path)

    def write(**files: str | bytes) -> Path:
        paths = [tmp_path / name.replace('_dot_', '.') for name in files]
        for path, content in zip(paths, files.values()):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return paths[0]

    return write


def refusal(path: object, **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        read_config(path, **options)
    message = str(caught.value)
    assert '\n' not in message
    return message


@pytest.mark.parametrize(
    ('name', 'content', 'reason'),
    [
        ('a.py', 'model = dict(', 'line 1 cannot be read: SyntaxError: '),
        ('a.py', 'x = 1\n\nmodel = nowhere', "line 3 cannot be read: NameError: name 'nowhere'"),
        ('a.py', "_base_ = 'b.py'", 'a.py cannot be read: '),
        ('a.py', "_base_ = 'a.py'", 'its _base_ leads back to it'),
        ('a.py', '_base_ = 3', 'cannot be read: '),
        ('a.py', "x = '\0'", 'cannot be read: '),
        ('a.py', b'\xff\xfe\x00', 'cannot be read: '),
        ('a.py', '1 / 0', 'line 1 cannot be read: ZeroDivisionError'),
        ('a.py', '', 'defines no model'),
        ('a.py', 'model = 3', 'defines no model'),
        ('a.txt', 'model = 3', 'Only py/yml/yaml/json'),
        ('a.json', '', 'cannot be read: '),
        ('a.json', '[1]', 'cannot be read: '),
        ('a.json', '{"a": 1', 'cannot be read: '),
        ('a.json', '[' * 100_000, 'cannot be read: '),
        ('a.json', '{"custom_imports": {"imports": ["evil"]}}', 'custom_imports of evil would'),
        ('a.json', '{"_base_": "b.py"}', '_base_ b.py is a program'),
        ('a.json', '{"model": {"type": "os.system"}}', 'model.type: os.system is code'),
        ('a.json', '{"model": {"type": "mmengine.dump"}}', 'mmengine.dump is not a registered'),
        ('a.json', '{"a": [{"constructor": "os.path.x"}]}', 'a.0.constructor: os.path.x is code'),
        ('a.yaml', 'a: [', 'cannot be read: '),
        ('a.yaml', 'a: &a [*a]', 'cannot be read: '),
        ('a.yaml', 'x: !!python/name:os.system', 'cannot be read: '),
    ],
)
def test_configs_that_cannot_be_read(written, name: str, content: str | bytes, reason: str) -> None:
    path = written(**{name.replace('.', '_dot_'): content})
    message = refusal(path, needs=['model'])
    assert reason in message
    assert str(path) in message


@pytest.mark.parametrize('tag', ['!!python/object/apply:os.mkdir [ran]', '!!python/module:evil'])
def test_yaml_runs_nothing(written, tag: str) -> None:
    path = written(a_dot_yaml=f'model: {tag}', evil_dot_py='open("ran", "w")')
    assert 'could not determine a constructor for the tag' in refusal(path)
    assert not Path('ran').exists()


def test_aliases_do_not_fill_the_memory(written) -> None:
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 9)]
    message = refusal(written(a_dot_yaml='\n'.join(lines)))
    assert 'its aliases expand to more than a million nodes' in message


def test_yaml_and_json_are_read(written) -> None:
    path = written(
        a_dot_yaml="_base_: ['mmdet::_base_/default_runtime.py', b.json]\nx: &x [1, 2]\ny: *x",
        b_dot_json='{"model": {"type": "ToyModel", "neck": {"type": "mmdet.FPN"}}}',
    )
    config = read_config(path, {'model.width': 3})
    assert (config.x, config.y, config.model.width) == ([1, 2], [1, 2], 3)
    assert config.default_scope == 'mmdet'


def test_missing_files_and_folders() -> None:
    assert refusal('nowhere.py').startswith('Config nowhere.py does not exist')
    assert refusal(ROOT / 'configs') == f'Config {ROOT / "configs"} is not a file'


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('optim_wraper.dtype', 'there is no setting optim_wraper; did you mean optim_wrapper?'),
        ('num_workers', 'there is no setting num_workers; did you mean train_dataloader.num_worke'),
        ('max_iters', 'max_iters is a variable of .*did you mean train_cfg.max_iters?'),
        ('param_scheduler.7.gamma', '--cfg-options: .*Index 7 exceeds'),
        ('model.type.x', '--cfg-options: .*'),
    ],
)
def test_options_that_override_nothing(option: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_config(TINY, {option: 5})


def test_settings_of_the_runner_need_not_be_in_the_config() -> None:
    assert read_config(TINY, {'work_dir': 'x', 'find_unused_parameters': True}).work_dir == 'x'

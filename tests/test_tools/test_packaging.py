"""Packaging: pins within ranges, the content of the wheel, and configs by the package's name."""

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

from r2vos_mm.utils.checkpoint import read_checkpoint

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).parents[2]
PIN = re.compile(r'([A-Za-z0-9_.-]+)==(\S+)$')
# What a build reads, beside the files that it does not need to find.
SOURCES = ('r2vos_mm', 'configs', 'tools', 'model-index.yml', 'pyproject.toml', 'setup.py')
TEXTS = ('MANIFEST.in', 'README.md', 'LICENSE')


@pytest.fixture(scope='module')
def project() -> dict:
    """The table ``project`` of pyproject.toml."""
    return tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']


@pytest.fixture(scope='module')
def pins() -> dict[str, str]:
    """Versions in requirements/constraints.txt, and that of torch in tools/setup_env.sh."""
    lines = (ROOT / 'requirements' / 'constraints.txt').read_text().splitlines()
    found = {m[1].lower(): m[2] for m in map(PIN.match, lines) if m is not None}
    script = (ROOT / 'tools' / 'setup_env.sh').read_text()
    found['torch'] = re.search(r'^TORCH=(\S+)$', script, re.MULTILINE)[1]
    return found


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy of the sources without network."""
    folder = tmp_path_factory.mktemp('build')
    for name in (*SOURCES, *TEXTS):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns('__pycache__', '.mim', '*.egg-info')
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    build = 'from setuptools import build_meta; build_meta.build_wheel("dist")'
    subprocess.run([sys.executable, '-c', build], cwd=folder, check=True, capture_output=True)
    [file] = (folder / 'dist').glob('*.whl')
    return file


def requirements(project: dict, *extras: str) -> list[Requirement]:
    """Requirements of the package with some extras, which may name each other."""
    found = [Requirement(text) for text in project['dependencies']]
    for extra in extras:
        for requirement in map(Requirement, project['optional-dependencies'][extra]):
            if requirement.name == project['name']:
                found += requirements(project, *requirement.extras)
            else:
                found.append(requirement)
    return found


def test_pins_lie_within_ranges(project: dict, pins: dict[str, str]) -> None:
    for requirement in requirements(project, 'lite', 'tests', 'dev'):
        if requirement.name in ('av', 'imageio'):
            continue
        assert pins[requirement.name.lower()] in requirement.specifier, requirement


def test_installing_overwrites_neither_lineage_nor_torch(project: dict) -> None:
    """OpenMMLab packages are in extras only; torchvision and timm, which break torch, in none."""
    foreign = re.compile(r'(onedl-)?mm(engine|cv|det|seg)|torchvision|timm')
    assert not [r for r in requirements(project) if foreign.match(r.name)]
    onedl = [r.name for r in requirements(project, 'onedl') if foreign.match(r.name)]
    assert len(onedl) == 4
    assert all(name.startswith('onedl-') for name in onedl)


def test_all_direct_requirements_are_pinned(project: dict, pins: dict[str, str]) -> None:
    listed = set()
    for name in ('base.txt', 'docs.txt', 'tests.txt'):
        lines = (ROOT / 'requirements' / name).read_text().splitlines()
        listed |= {Requirement(line).name for line in lines if line and line[0] not in '#-'}
    assert listed <= pins.keys()
    needed = {requirement.name for requirement in requirements(project, 'lite', 'tests')}
    assert needed - listed == {'torch', 'setuptools'}  # installed first by setup_env.sh


def test_citation_names_the_package_and_its_method() -> None:
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert {'cff-version', 'message', 'title', 'authors'} <= citation.keys()
    readme = (ROOT / 'README.md').read_text()
    assert citation['preferred-citation']['title'] in readme
    assert citation['preferred-citation']['url'] in readme


def test_environment_names_the_python_that_it_needs(tmp_path: Path) -> None:
    (tmp_path / 'tools').mkdir()
    shutil.copy(ROOT / 'tools' / 'setup_env.sh', tmp_path / 'tools')
    result = subprocess.run(
        ['bash', str(tmp_path / 'tools' / 'setup_env.sh')],
        env={**os.environ, 'PYTHON': 'nowhere/python'},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert 'error: no Python 3.10 to 3.13 ' in result.stderr
    assert 'among: nowhere/python.' in result.stderr
    assert not (tmp_path / '.venv').exists()


class TestWheel:
    def test_content(self, wheel: Path) -> None:
        names = ZipFile(wheel).namelist()
        inside = {name.removeprefix('r2vos_mm/') for name in names if name.startswith('r2vos_mm/')}
        sources = {
            f'.mim/{path.relative_to(ROOT).as_posix()}'
            for folder in ('configs', 'tools')
            for path in (ROOT / folder).rglob('*')
            if path.is_file() and path.suffix != '.pyc'
        }
        assert {name for name in inside if name.startswith('.mim/')} == {
            *sources,
            '.mim/model-index.yml',
        }
        assert {
            '.mim/configs/r2vos/metafile.yml',
            '.mim/configs/checkpoints/r2vos_tiny_refshapes.pth',
            '.mim/tools/train.py',
            'py.typed',
            'report/static/report.css',
            'report/static/report.html',
            'compat/__init__.py',
            'engine/hooks/__init__.py',
            'utils/formats/ref_youtube_vos_valid_202.txt',
        } <= inside
        assert {name.split('/')[0].split('-')[0] for name in names} == {'r2vos_mm'}

    def test_metadata(self, wheel: Path, project: dict) -> None:
        archive = ZipFile(wheel)
        [name] = [name for name in archive.namelist() if name.endswith('.dist-info/METADATA')]
        metadata = email.message_from_bytes(archive.read(name))
        assert metadata['Author'] == 'r2vos_mm contributors'
        assert set(metadata.get_all('Provides-Extra')) == set(project['optional-dependencies'])
        assert any(n.endswith('.dist-info/licenses/LICENSE') for n in archive.namelist())

    @pytest.mark.skipif(os.environ.get('R2VOS_WHEEL') != '1', reason='R2VOS_WHEEL=1 installs it')
    def test_installed_in_an_environment(self, wheel: Path, tmp_path: Path) -> None:
        """Names, metafiles and models of the package in an environment without a clone."""
        python = tmp_path / 'env/bin/python'
        run = [sys.executable, '-m', 'venv', '--without-pip', str(tmp_path / 'env')]
        subprocess.run(run, check=True)
        install = ['-m', 'pip', '--python', str(python), 'install', '--no-deps', '--no-index']
        subprocess.run([sys.executable, *install, str(wheel)], check=True, capture_output=True)
        [site] = (tmp_path / 'env').glob('lib/python*/site-packages')
        (site / 'others.pth').write_text(f'{sysconfig.get_path("purelib")}\n')
        code = """
import r2vos_mm
from pathlib import Path
import yaml
from mmengine.hub import get_config, get_model
from mmengine.infer import BaseInferencer
from mmengine.utils import get_installed_path
from r2vos_mm.apis import R2VOSInferencer, init_model

# what mim search and mim download read
root = Path(get_installed_path('r2vos_mm')) / '.mim'
index = yaml.safe_load((root / 'model-index.yml').read_text())['Import']
models = [m for file in index for m in yaml.safe_load((root / file).read_text())['Models']]
assert all((root / model['Config']).is_file() for model in models)
listed = BaseInferencer.list_models('r2vos_mm')
assert sorted(listed) == sorted(R2VOSInferencer.list_models())
assert 'r2vos_r50_released' in listed
name = 'r2vos_mm::r2vos/r2vos_tiny_2xb3-3k_refshapes.py'
assert Path(get_config(name).filename).is_relative_to(root)
pretrained = get_model(name, pretrained=True).state_dict()
seg = R2VOSInferencer('r2vos_tiny', device='cpu', show_progress=False)
seg.model.save_pretrained('saved')
assert '| J&F, RefShapes | 70.8 |' in Path('saved/README.md').read_text()
model = init_model('saved', device='cpu')
assert model.cfg.model.test_cfg.gate_threshold == seg.model.test_cfg.gate_threshold
mine = seg.model.state_dict()
assert pretrained.keys() == mine.keys()
assert all(mine[name].equal(tensor) for name, tensor in pretrained.items())
print(r2vos_mm.__file__)
"""
        environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
        result = subprocess.run(
            [str(python), '-W', 'ignore', '-c', code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        assert Path(result.stdout.splitlines()[-1]).is_relative_to(site)

    def test_configs_by_name_from_any_folder(self, wheel: Path, tmp_path: Path) -> None:
        ZipFile(wheel).extractall(tmp_path / 'site')
        (tmp_path / 'child.py').write_text(
            "_base_ = 'r2vos_mm::r2vos/r2vos_tiny_1xb4-400iter_ref-ytvos.py'\n"
        )
        code = (
            'import r2vos_mm\n'
            'from mmengine.config import Config\n'
            'from mmengine.hub import get_config, get_model\n'
            "name = 'r2vos_mm::r2vos/r2vos_tiny_2xb3-3k_refshapes.py'\n"
            'print(get_config(name).filename)\n'
            "print(Config.fromfile('child.py').load_from)\n"
            'model = get_model(name, pretrained=True)\n'
            'print(type(model).__name__)\n'
            "print(float(model.state_dict()['neck.level_embed'].double().sum()))\n"
            'from mmengine.infer import BaseInferencer\n'
            'from r2vos_mm.apis import R2VOSInferencer\n'
            'from r2vos_mm.apis.model_loading import resolve_model\n'
            "print(R2VOSInferencer.list_models(patterns='r2vos_tiny$'))\n"
            "print(resolve_model('r2vos_tiny').weights)\n"
            "print(len(BaseInferencer.list_models('r2vos_mm')))\n"
        )
        result = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', code],
            cwd=tmp_path,
            env={**os.environ, 'PYTHONPATH': str(tmp_path / 'site')},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        lines = [
            line
            for line in result.stdout.splitlines()
            if 'model_name: ' not in line and not line.startswith('Loads checkpoint')
        ]
        *_, config, checkpoint, model, total, listed, weights, count = filter(None, lines)
        configs = tmp_path / 'site/r2vos_mm/.mim/configs'
        assert Path(config) == configs / 'r2vos/r2vos_tiny_2xb3-3k_refshapes.py'
        assert Path(checkpoint).resolve() == configs / 'checkpoints/r2vos_tiny_refshapes.pth'
        assert Path(checkpoint).is_file()
        assert model == 'ReferringVideoSegmentor'
        weight = read_checkpoint(checkpoint)['state_dict']['neck.level_embed']
        assert float(total) == float(weight.double().sum())
        assert listed == "['r2vos_tiny']"
        assert Path(weights) == configs / 'checkpoints/r2vos_tiny_refshapes.pth'
        assert int(count) > 80

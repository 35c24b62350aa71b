"""Add pages to the documentation site: those outside docs/ that are linked, and the API."""

import importlib
import re
import sys
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
PROJECT = 'project'  # folder of the site for files from outside docs/
OUTSIDE = (
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'configs/checkpoints/README.md',
    'configs/mttr/README.md',
    'configs/r2vos/README.md',
    'configs/referformer/README.md',
)
PACKAGES = (
    'apis',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'structures',
    'visualization',
)
_LINK = re.compile(r'(\]\()([^)#\s]+)')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for path in OUTSIDE:
        text = (ROOT / path).read_text(encoding='utf-8')
        files.append(File.generated(config, f'{PROJECT}/{path}', content=text))
    for package in PACKAGES:
        files.append(File.generated(config, f'api/{package}.md', content=api_page(package)))
    return files


def api_page(package: str) -> str:
    """Return a page of all public names of a package."""
    module = importlib.import_module(f'r2vos_mm.{package}')
    lines = [f'# r2vos_mm.{package}\n', f'{(module.__doc__ or "").strip()}\n']
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if hasattr(value, '__qualname__'):
            lines.append(f'::: {value.__module__}.{value.__qualname__}\n')
    return '\n'.join(lines)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links between docs/ and the rest of the project to the pages of the site."""
    here = PurePosixPath(page.file.src_uri)
    in_project = PROJECT in here.parts[:1]
    folder = here.relative_to(PROJECT).parent if in_project else PurePosixPath('docs', here.parent)

    def moved(match: re.Match) -> str:
        target = match[2]
        if re.match(r'\w+:', target) or 'api' in here.parts[:1]:
            return match[0]
        source = _normal(folder / target)
        if source.parts[:1] == ('docs',):
            on_site = source.relative_to('docs')
        elif str(source) in OUTSIDE:
            on_site = PROJECT / source
        else:
            return match[0]
        return match[1] + _relative(on_site, here.parent)

    return _LINK.sub(moved, markdown)


def _normal(path: PurePosixPath) -> PurePosixPath:
    """Resolve '..'."""
    parts: list[str] = []
    for part in path.parts:
        if part == '..' and parts:
            parts.pop()
        else:
            parts.append(part)
    return PurePosixPath(*parts)


def _relative(target: PurePosixPath, folder: PurePosixPath) -> str:
    return '/'.join(['..'] * len(folder.parts) + [str(target)])

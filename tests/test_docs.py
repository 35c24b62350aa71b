"""The documentation names only files, modules, options and headings that exist."""

import ast
import fnmatch
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from r2vos_mm.cli.main import COMMANDS, command_in

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        ROOT / 'README.md',
        ROOT / 'CONTRIBUTING.md',
        *(ROOT / 'docs').rglob('*.md'),
        *(ROOT / 'configs').rglob('README.md'),
    ]
)
TREES = ('configs', 'docs', 'r2vos_mm', 'tests', 'tools')
# Files that a reader writes, and names that stand for any file.
READERS_FILES = {'my_videos.py', 'my_parts.py', 'my_config.py', 'setup.py', 'pyproject.toml'}
READERS_FILES |= {'ten_clips.py'}
PLACEHOLDER = re.compile(r'\bNAME\b|nowhere')
# Classes that configs take from MMEngine, MMCV, MMDetection, MMSegmentation and PyTorch.
OTHER_LIBRARIES = {
    'ConcatDataset',
    'CosineAnnealingLR',
    'DeformableDetrTransformerEncoder',
    'IterBasedTrainLoop',
    'LocalVisBackend',
    'PhotoMetricDistortion',
    'Pretrained',
    'RandomChoice',
    'RandomChoiceResize',
    'RandomFlip',
    'RepeatDataset',
    'TransformBroadcaster',
}

CODE_BLOCK = re.compile(r'^ *```(\w*)\n(.*?)^ *```', re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r'`([^`\n]+)`')
SCRIPT = re.compile(r'\S+\.(?:py|sh)')
LINK = re.compile(r'\]\(([^)\s]+)\)')
REPOSITORY_PATH = re.compile(rf'(?<![\w/.-])(?:{"|".join(TREES)})/[\w./{{}},*<>-]*')
DOTTED_NAME = re.compile(r'\br2vos_mm(?:\.\w+)+')
CLASS_NAME = re.compile(r'[A-Z][a-zA-Z0-9]*[a-z][A-Z][a-zA-Z0-9]*')


def prose(page: str) -> str:
    """The page without its code blocks."""
    return CODE_BLOCK.sub('', (ROOT / page).read_text())


def code_blocks(page: str, *languages: str) -> list[str]:
    blocks = CODE_BLOCK.findall((ROOT / page).read_text())
    return [code for language, code in blocks if language in languages]


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r'^#+ (.*)$', CODE_BLOCK.sub('', page.read_text()), re.MULTILINE)
    kept = (re.sub(r'[^\w\- ]', '', heading.lower()) for heading in headings)
    return {heading.replace(' ', '-') for heading in kept}


def expand_braces(path: str) -> list[str]:
    """``a{b,c}`` as ``ab`` and ``ac``."""
    match = re.search(r'\{([^{}]*)\}', path)
    if not match:
        return [path]
    rest = [path[: match.start()] + part + path[match.end() :] for part in match[1].split(',')]
    return [expanded for option in rest for expanded in expand_braces(option)]


def patterns(path: str) -> list[str]:
    """Glob patterns of a path in the text; ``<name>``, ``...`` and ``_NAME`` stand for anything."""
    return expand_braces(
        re.sub(r'<[^>]*>|\.\.\.|(?<=[_/])[A-Z_]{4,}(?=[._])', '*', path.rstrip('.,'))
    )


def missing(path: str, folders: tuple[Path, ...] = (ROOT,)) -> list[str]:
    """Files that ``path`` stands for and that no folder has."""
    return [
        pattern
        for pattern in patterns(path)
        if not any((folder / pattern).exists() or any(folder.glob(pattern)) for folder in folders)
    ]


@functools.cache
def file_names() -> frozenset[str]:
    return frozenset(
        path.name for tree in TREES for path in (ROOT / tree).rglob('*') if path.suffix != '.pyc'
    )


@functools.cache
def package_classes() -> frozenset[str]:
    sources = '\n'.join(path.read_text() for path in (ROOT / 'r2vos_mm').rglob('*.py'))
    return frozenset(re.findall(r'^class (\w+)', sources, re.MULTILINE))


def module_file(base: Path) -> Path:
    """File of the module or package ``base``."""
    return base / '__init__.py' if base.is_dir() else base.with_suffix('.py')


def defined_names(module: Path) -> set[str]:
    """Names that a module binds, and those that a package resolves lazily."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif module.name == '__init__.py' and isinstance(node, ast.Constant):
            names.add(str(node.value))
        elif isinstance(node, ast.Attribute) and node.attr == '__all__':
            names |= defined_names(module_file(module.parent / ast.unparse(node.value)))
    return names


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or a name that a module defines."""
    parts = dotted.split('.')
    place = ROOT
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if parts and (place / f'{parts[0]}.py').is_file():
        module = place / f'{parts.pop(0)}.py'
    else:
        module = place / '__init__.py'
    return not parts or (module.is_file() and parts[0] in defined_names(module))


def imported_names(code: str) -> Iterator[str]:
    """Dotted names that a code block imports from this package."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('r2vos_mm'):
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


@functools.cache
def options_of(tool: Path) -> frozenset[str]:
    """Command-line options in a tool and in the modules of this repository that it imports."""
    text = tool.read_text()
    options = set(re.findall(r"""['"\s](--[a-z][\w-]*)""", text))
    if "f'--{" in text:  # made in a loop over quoted names
        options |= {f'--{name}' for name in re.findall(r"'([a-z]+)'", text)}
    for name in re.findall(r'tools/[\w/]+\.py', text) if tool.suffix == '.sh' else []:
        options |= options_of(ROOT / name)
    for node in ast.walk(ast.parse(text)) if tool.suffix == '.py' else []:
        if isinstance(node, ast.ImportFrom) and node.module:
            relative = node.module.replace('.', '/')
            bases = [ROOT / relative, tool.parent / relative]
            if node.level:
                bases = [tool.parents[node.level - 1] / relative]
            for base in [*bases, *(base / alias.name for base in bases for alias in node.names)]:
                module = base.with_suffix('.py')
                if module.is_file() and module != tool:
                    options |= options_of(module)
    return frozenset(options)


def commands(code: str) -> Iterator[tuple[str, list[str]]]:
    """Scripts and commands of ``r2vos`` that a shell block runs, each with its options."""
    for line in re.sub(r'\\\n', ' ', code).splitlines():
        script = re.search(r'\btools/[\w/]+\.(?:py|sh)', line)
        command = re.search(r'(?:^|\| *)r2vos (.*)', line)
        options = re.findall(r'(?<=\s)--[a-z][\w-]*', line.partition('#')[0])
        if script:
            yield script[0], options
        elif command and command[1].startswith('--print-completion'):
            yield 'r2vos_mm/cli/main.py', ['--print-completion']
        elif command and command[1] not in ('--help', '--version'):
            name = command_in(command[1].split())
            assert name is not None, line
            yield f'r2vos_mm/cli/{COMMANDS[name][0].replace(".", "/")}.py', options


@pytest.mark.parametrize('page', PAGES)
def test_links_and_anchors_exist(page: str) -> None:
    dangling = []
    for link in LINK.findall(prose(page)):
        if link.startswith(('http://', 'https://', 'mailto:')):
            continue
        path, _, anchor = link.partition('#')
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dangling.append(link)
    assert not dangling


@pytest.mark.parametrize('page', PAGES)
def test_paths_of_the_repository_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    paths = {path for path in REPOSITORY_PATH.findall(text) if not PLACEHOLDER.search(path)}
    assert not [gone for path in sorted(paths) for gone in missing(path)]


@pytest.mark.parametrize('page', PAGES)
def test_names_of_scripts_and_configs_exist(page: str) -> None:
    names = {
        name.removeprefix('r2vos_mm::')
        for name in INLINE_CODE.findall(prose(page))
        if SCRIPT.fullmatch(name) and not PLACEHOLDER.search(name)
    }
    folders = (ROOT, ROOT / 'configs', (ROOT / page).parent)
    absent = [gone for name in sorted(names) if '/' in name for gone in missing(name, folders)]
    absent += [
        pattern
        for name in sorted(names - READERS_FILES)
        if '/' not in name
        for pattern in patterns(name)
        if not fnmatch.filter(file_names(), pattern)
    ]
    assert not absent


@pytest.mark.parametrize('page', PAGES)
def test_names_of_the_package_resolve(page: str) -> None:
    names = {*DOTTED_NAME.findall((ROOT / page).read_text())}
    for code in code_blocks(page, 'python'):
        names |= {*imported_names(code)}
    ends_in_path = {name for name in names if name.endswith(('.py', '.txt'))}
    assert not [name for name in sorted(names - ends_in_path) if not resolves(name)]


@pytest.mark.parametrize('page', PAGES)
def test_classes_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    types = re.findall(r"type='([A-Z]\w+)'", text)
    named = [name for name in INLINE_CODE.findall(prose(page)) if CLASS_NAME.fullmatch(name)]
    own = set(re.findall(r'^class (\w+)', text, re.MULTILINE))  # that the page defines
    assert {*types, *named} - package_classes() - OTHER_LIBRARIES - own == set()


@pytest.mark.parametrize('page', PAGES)
def test_options_of_commands_exist(page: str) -> None:
    unknown = [
        f'{script} {option}'
        for code in code_blocks(page, 'bash', 'shell', '')
        for script, options in commands(code)
        for option in options
        if option not in options_of(ROOT / script)
    ]
    assert not unknown


def test_new_paths_in_the_changelog_exist() -> None:
    """The right columns of its tables of moved configs and modules."""
    package = ROOT / 'r2vos_mm'
    folders = (ROOT, ROOT / 'configs', package, package / 'evaluation')
    rows = re.findall(r'^\|[^|]*\|([^|]*)\|$', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)
    paths = {path for row in rows for path in INLINE_CODE.findall(row) if path.endswith('.py')}
    assert len(paths) > 80
    assert not [gone for path in sorted(paths) for gone in missing(path, folders)]


def test_files_that_comments_and_messages_name_exist() -> None:
    sources = [path for tree in TREES for path in (ROOT / tree).rglob('*.py')]
    absent = {
        f'{path.relative_to(ROOT)}: {name}'
        for path in sources
        if path != Path(__file__)
        for name in re.findall(
            r'\b(?:docs/[\w/]+\.md|(?:configs|tools)/[\w/-]+\.py)', path.read_text()
        )
        if not (ROOT / name).exists() and not PLACEHOLDER.search(name)
    }
    assert not absent

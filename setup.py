"""Build the package with its configs and tools inside, where MMEngine and MIM look for them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM_CONTENT = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """Add ``r2vos_mm/.mim``: copies in a wheel, links in an editable installation."""

    def run(self) -> None:
        super().run()
        mim = Path(ROOT if self.editable_mode else self.build_lib, 'r2vos_mm', '.mim')
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_CONTENT:
            if self.editable_mode:
                try:
                    (mim / name).symlink_to(Path('..', '..', name))
                    continue
                except OSError:  # Windows allows links only to some users
                    pass
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns('__pycache__')
                shutil.copytree(ROOT / name, mim / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, mim)


setup(cmdclass={'build_py': BuildWithMim})

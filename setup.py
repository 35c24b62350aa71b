"""Packaging. Ranges, not pins: the versions tested together are in ``requirements/``."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# MMCV is left to the user, in one of three forms that overwrite each other: mmcv-lite (extra
# "lite"), mmcv with compiled operators (extra "full"), or onedl-mmcv of the maintained lineage.
INSTALL_REQUIRES = [
    'torch>=2.1',
    'mmengine>=0.10.4,<0.11',
    'mmdet>=3.3,<3.4',
    'mmsegmentation>=1.2.2,<1.3',
    'transformers>=4.36,<6',
    'numpy>=1.26',
    'scipy>=1.10',
    'einops>=0.7',
    'pycocotools>=2.0.7',
    'opencv-python>=4.8',
    'pillow>=9.5',
    'matplotlib>=3.7',
    'safetensors>=0.4',
    # MMSegmentation imports these without declaring them.
    'ftfy',
    'regex',
    # MMEngine 0.10 imports pkg_resources, which setuptools 81 removed.
    'setuptools<81',
]
VIDEO = ['av>=12', 'imageio>=2.31']
# The masks of A2D-Sentences are h5 files.
A2D = ['h5py>=3.8']
TESTS = ['pytest>=7.4', 'pytest-xdist>=3.3', 'hypothesis>=6.80']

setup(
    name='r2vos_mm',
    version=runpy.run_path(str(HERE / 'r2vos_mm' / 'version.py'))['__version__'],
    description='Robust referring video object segmentation for MMEngine, MMDetection and '
    'MMSegmentation',
    long_description=(HERE / 'README.md').read_text() if (HERE / 'README.md').is_file() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['r2vos_mm', 'r2vos_mm.*']),
    package_data={'r2vos_mm.utils': ['*.txt']},
    python_requires='>=3.10,<3.13',
    install_requires=INSTALL_REQUIRES,
    extras_require={
        'lite': ['mmcv-lite>=2.0.1,<2.2'],
        'full': ['mmcv>=2.0.1,<2.2'],
        'video': VIDEO,
        'decord': ['decord>=0.6'],
        'a2d': A2D,
        'tests': [*TESTS, *A2D],
        'dev': [*TESTS, *VIDEO, *A2D, 'ruff>=0.5'],
    },
)

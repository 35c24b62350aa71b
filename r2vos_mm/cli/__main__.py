"""Run the command ``r2vos`` as ``python -m r2vos_mm.cli``."""

import sys

from .main import main

sys.exit(main())

"""The operator's command line; not shipped to Lambda."""

from __future__ import annotations

import sys
from pathlib import Path

# A wheel has the function's packages in this folder, because names like handlers are everybody's in site-packages.
# A checkout has them in src, where an editable installation finds them.
FUNCTION = Path(__file__).parent / "function"
if FUNCTION.is_dir():
    sys.path.insert(0, str(FUNCTION))

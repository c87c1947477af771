"""pynn beside its peers: ``python -m benchmarks``. See README.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Python puts the checkout first, whose pynn/ has no extension unless it was built in place. An
# installed pynn goes before it.
if str(ROOT) in sys.path:
    sys.path.remove(str(ROOT))
    sys.path.append(str(ROOT))

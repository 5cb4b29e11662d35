"""All scripts of the gallery, or those that are named: python examples/gallery [--short] [NAME …].

In the long form the table of docs/gallery.md is written anew, from what the scripts have kept.
"""

import sys
from pathlib import Path
from runpy import run_path

from frame import SHORT, scripts, table

HERE = Path(__file__).parent
wanted = [name for name in sys.argv[1:] if not name.startswith("-")]
if unknown := set(wanted) - set(scripts()):
    raise SystemExit(f"no script of the gallery: {', '.join(sorted(unknown))}")
for name in wanted or scripts():
    run_path(str(HERE / f"{name}.py"))
if not SHORT:
    table()

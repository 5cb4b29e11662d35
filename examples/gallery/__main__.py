"""All scripts of the gallery, or those that are named: python examples/gallery [--short] [NAME …].

In the long form the page docs/gallery.md is written anew, from what the scripts have kept.
"""

import sys
from runpy import run_path

from contents import HERE, PAGE, SCRIPTS, page
from frame import SHORT

wanted = [name for name in sys.argv[1:] if not name.startswith("-")]
if unknown := set(wanted) - set(SCRIPTS):
    raise SystemExit(f"no script of the gallery: {', '.join(sorted(unknown))}")
for name in wanted or SCRIPTS:
    try:
        run_path(str(HERE / f"{name}.py"))
    except SystemExit as reason:  # a library is missing
        print(f"{name} was left out: {reason}")
if not SHORT:
    PAGE.write_text(page(), encoding="utf-8")

"""A browser for tests: pages side by side in one Chromium, driven from within."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CATCH = """<script>
window.errors = [];
addEventListener("error", e => errors.push(String(e.message)));
addEventListener("unhandledrejection", e => errors.push(String(e.reason)));
console.error = console.warn = (...words) => errors.push(words.join(" "));
</script>"""

HARNESS = """<!doctype html><meta charset="utf-8"><body><pre id="answers"></pre>
<script type="application/json" id="pages">{pages}</script>
<script>
const pages = JSON.parse(document.getElementById("pages").textContent), answers = {{}};
function clean(v) {{
  if (typeof v === "number") return Number.isFinite(v) ? v : String(v);
  if (ArrayBuffer.isView(v) || Array.isArray(v)) return Array.from(v, clean);
  if (!v || typeof v !== "object") return v;
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, clean(x)]));
}}
async function ask([name, [text, width, code]]) {{
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${{width}}px;height:900px;border:0`;
  frame.srcdoc = text;
  await new Promise(done => {{ frame.onload = done; document.body.append(frame); }});
  const page = frame.contentWindow, errors = page.errors;
  let answer = null;
  const began = performance.now();
  try {{
    answer = clean(await page.eval(`(async () => {{
      const pause = () => new Promise(done => setTimeout(done, 5));
      ${{code}}
    }})()`));
  }} catch (error) {{ errors.push(String(error.stack)); }}
  answers[name] = {{answer, errors: [...errors], ms: performance.now() - began}};
}}
Promise.all(Object.entries(pages).map(ask)).then(() => {{
  document.getElementById("answers").textContent = JSON.stringify(answers) + "END";
}});
</script>"""


def ask(folder: Path, pages: dict[str, tuple[str, int, str]]) -> dict:
    """What each page answers: {name: (its HTML, its width, code that returns the answer)}."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("there is no chromium here")
    shown = {n: (t.replace("<head>", f"<head>{CATCH}", 1), w, c) for n, (t, w, c) in pages.items()}
    content = HARNESS.format(pages=json.dumps(shown).replace("<", "\\u003c"))
    file = folder / "harness.html"
    file.write_text(content, encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--dump-dom", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000",
        file.as_uri(),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    found = re.search(r'<pre id="answers">(.*?)END</pre>', run.stdout, re.S)
    assert found, run.stderr[-2000:] + run.stdout[-500:]
    return json.loads(html.unescape(found[1]))

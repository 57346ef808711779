"""Run the notebooks of docs/tutorials and make a page of each: code, printed text, tables and pictures.

A hook of mkdocs (`hooks:` in mkdocs.yml). Notebooks are stored without outputs, so a page cannot show what the present code does not
compute. nbclient runs them, as mkdocs-jupyter would; pages are ordinary Markdown of the site, whose search, code blocks and dark mode
apply, where mkdocs-jupyter's bring the styles of a notebook and load scripts from elsewhere. With TUTORIALS=unrun in the environment
pages show code alone, for work on other pages.
"""

import base64
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FOLDER = "tutorials/"
CELL_SECONDS = 900  # of a busy machine; tests hold each notebook to two minutes
log = get_plugin_logger("tutorials")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a page and its pictures for each notebook."""
    for file in [file for file in files if file.src_uri.startswith(FOLDER) and file.src_uri.endswith(".ipynb")]:
        notebook = Path(config.docs_dir) / file.src_uri
        name = notebook.stem
        text, pictures = page(executed(notebook, ROOT / "build" / "tutorials"), name)
        files.append(File.generated(config, f"{FOLDER}{name}.md", content=text))
        for picture, content in pictures.items():
            files.append(File.generated(config, FOLDER + picture, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Have links to notebooks lead to their pages."""
    return re.sub(r"(\]\([\w/.]+)\.ipynb", r"\1.md", markdown)


def executed(path: Path, kept: Path) -> Mapping[str, Any]:
    """Return a notebook with its outputs. Those of the same notebook and the same package are kept in a directory."""
    notebook = nbformat.read(path, as_version=4)
    if os.environ.get("TUTORIALS") == "unrun":
        return notebook
    digest = hashlib.sha256(path.read_bytes())
    for source in sorted((ROOT / "interp").rglob("*.py")):
        digest.update(source.read_bytes())
    file = kept / f"{path.stem}-{digest.hexdigest()[:16]}.ipynb"
    if file.exists():
        return nbformat.read(file, as_version=4)
    log.info(f"running {path.name}")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as folder:
        settings = {"timeout": CELL_SECONDS, "kernel_name": "python3", "resources": {"metadata": {"path": folder}}}
        # Its warning that a port of this machine is not encrypted would stand among those of the site.
        nbclient.NotebookClient(notebook, extra_arguments=["--log-level=ERROR"], **settings).execute()
    kept.mkdir(parents=True, exist_ok=True)
    for older in kept.glob(f"{path.stem}-*.ipynb"):
        older.unlink()
    # Half of one would be read as all of it the next time.
    writing = file.with_suffix(".part")
    nbformat.write(notebook, writing)
    writing.replace(file)
    return notebook


def page(notebook: Mapping[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown of a notebook that was run, and the pictures that it shows by their names."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"])
            continue
        parts.append(f"```python\n{cell['source']}\n```")
        for kind, content in shown(cell["outputs"]):
            if kind == "png":
                picture = f"{name}_{len(pictures) + 1}.png"
                pictures[picture] = base64.b64decode(content)
                parts.append(f"![What the code above draws]({picture})")
            else:
                parts.append(content if kind == "html" else f"```text\n{content}\n```")
    title, _, rest = "\n\n".join(parts).partition("\n")
    download = f'<a href="{name}.ipynb" download>Download this notebook</a>'
    return f"{title}\n\n{download}\n{rest}\n", pictures


def shown(outputs: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Give each output as (png, html or text, content); what is written to stderr is left out."""
    for output in outputs:
        if output["output_type"] == "stream":
            if output["name"] == "stdout":
                yield "text", output["text"].rstrip()
            continue
        data = output["data"]
        if "image/png" in data:
            yield "png", data["image/png"]
        elif "text/html" in data:
            # A blank line would end the block of HTML.
            yield "html", re.sub(r"\n\s*\n", "\n", f'<div class="result">\n{data["text/html"]}\n</div>')
        else:
            yield "text", data["text/plain"]

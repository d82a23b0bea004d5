"""Adds to the site what is not in docs/: the reference, pages of the root, files linked to.

MkDocs calls the functions named `on_...`. A warning ends the build, as `make docs` is strict.
"""

import functools
import json
import logging
import os
import pathlib
import posixpath
import re
import shutil
import tempfile
from typing import Any

import griffe
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[2]
#: The library as it is imported: envs/ lies in it.
API = tempfile.TemporaryDirectory(prefix="adqn_jax_docs_")
#: Pages of the root, where GitHub looks for them, and what the site calls them.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "README.md": "index.md",
}
LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml"}
LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")

log = logging.getLogger("mkdocs.hooks.adqn_jax")


@event_priority(100)  # before mkdocstrings
def on_config(config: Any) -> Any:
    """Read the library, and put a page for each of its modules into the navigation."""
    package = pathlib.Path(API.name) / "adqn_jax"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "adqn_jax", package)
    shutil.copytree(ROOT / "envs", package / "envs")
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [API.name]
    library.cache_clear()
    for name in undocumented(library()):
        log.warning("%s is public and has no docstring", name)
    (section,) = (entry["Reference"] for entry in config.nav if "Reference" in entry)
    section.append({"Library": navigation(library())})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here: of modules, of the root, and of files linked to."""
    for module in modules(library()):
        text = f"# `{module.path}`\n\n::: {module.path}\n"
        files.append(File.generated(config, page(module), content=text))
    for notebook in sorted((ROOT / "docs").glob("*.ipynb")):
        uri = _uri(f"docs/{notebook.name}")
        files.append(File.generated(config, uri, content=_read_out(notebook)))
    linked = set()
    for name, uri in PAGES.items():
        if uri not in files.src_uris:
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / name)))
    for file in files.documentation_pages():
        if source := _path(file):
            for target, _ in LINK.findall(source.read_text()):
                linked.add(_resolve(source, target))
    for path in sorted(linked):
        if (uri := _uri(path)).startswith("source/") and (ROOT / path).exists():
            files.append(File.generated(config, uri, content=_show(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Let links to files outside docs/ lead to their pages."""
    source = _path(page.file)
    if source is None:
        return markdown

    def lead(match: re.Match[str]) -> str:
        uri = _uri(_resolve(source, match[1]))
        here = posixpath.dirname(page.file.src_uri)
        return f"]({posixpath.relpath(uri, here or '.')}{match[2] or ''})"

    return LINK.sub(lead, markdown)


@functools.cache
def library() -> griffe.Module:
    """Return what the library's source says."""
    loaded = griffe.load("adqn_jax", search_paths=[API.name], try_relative_path=False)
    assert isinstance(loaded, griffe.Module)
    return loaded


def modules(module: griffe.Module) -> list[griffe.Module]:
    """Return a module and all in it, packages before what they hold."""
    return [module, *(m for child in inside(module).values() for m in modules(child))]


def inside(module: griffe.Module) -> dict[str, griffe.Module]:
    """Return the modules of a package by name, without those that it imports."""
    return {name: child for name, child in sorted(module.modules.items()) if not child.is_alias}


def page(module: griffe.Module) -> str:
    """Return the address of a module's page."""
    folder = "reference/" + module.path.replace(".", "/")
    return f"{folder}/index.md" if inside(module) else f"{folder}.md"


def navigation(module: griffe.Module) -> list[Any]:
    """Return a package's part of the navigation."""
    entries: list[Any] = [page(module)]
    for name, child in inside(module).items():
        entries.append({name: navigation(child) if inside(child) else page(child)})
    return entries


def undocumented(thing: Any) -> list[str]:
    """Name the public modules, classes, functions and methods without a docstring."""
    found = [] if thing.has_docstring else [thing.path]
    for name, member in thing.members.items():
        public = not name.startswith("_") and not member.is_alias
        # Methods of a protocol of somebody else's are documented there.
        if (
            public
            and not member.is_attribute
            and "Protocol" not in str(getattr(thing, "bases", ""))
        ):
            found += undocumented(member)
    return found


def _show(path: pathlib.Path) -> str:
    """Return a page that shows a file, or what lies in a folder of docs/."""
    title = f"# {path.relative_to(ROOT)}\n\n"
    if path.is_file():
        language = LANGUAGES.get(path.suffix, "text")
        return f"{title}````{language}\n{path.read_text()}````\n"
    if not path.is_relative_to(ROOT / "docs"):
        return title + "".join(f"* `{file.name}`\n" for file in sorted(path.iterdir()))
    files = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    here = os.path.relpath(path, (ROOT / "docs" / _uri(str(path.relative_to(ROOT)))).parent)
    return title + "".join(f"* [{file}]({here}/{file})\n" for file in files)


def _read_out(notebook: pathlib.Path) -> str:
    """Return a notebook as a page: its text, its code, and what the code printed and drew."""
    parts = []
    for cell in json.loads(notebook.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            printed = "".join(output.get("text", data.get("text/plain", "")))
            if picture := data.get("image/png"):
                parts.append(f"![output](data:image/png;base64,{''.join(picture).strip()})")
            elif printed:
                parts.append(f"```text\n{printed}\n```")
    return "\n\n".join(parts)


def _path(file: Any) -> pathlib.Path | None:
    """Return where a page's text was written by hand, if it was."""
    return None if file.abs_src_path is None else pathlib.Path(file.abs_src_path)


def _resolve(source: pathlib.Path, target: str) -> str:
    """Return what a page links to, from the root."""
    return os.path.relpath(source.parent / target, ROOT)


def _uri(path: str) -> str:
    """Return the address on the site of a file of this repository."""
    if path in PAGES:
        return PAGES[path]
    if path.endswith(".ipynb"):
        path = path.removesuffix(".ipynb") + ".md"
    if path.startswith("docs/") and not (ROOT / path).is_dir():
        return path.removeprefix("docs/")
    module = re.sub(r"^envs\b", "adqn_jax/envs", path).removesuffix(".py").removesuffix("/__init__")
    for known in modules(library()):
        if known.path == module.rstrip("/").replace("/", "."):
            return page(known)
    return f"source/{path.rstrip('/')}.md"

"""`/docs`: the description of the service (OpenAPI) as a plain page, which loads nothing from anywhere."""

from collections.abc import Mapping
from html import escape
from typing import Any


def api_page(description: Mapping[str, Any]) -> str:
    """HTML of an OpenAPI description."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AiFashion: the service</title></head><body>',
        f"<h1>{escape(description['info']['title'])}</h1>",
        f"<p>{escape(description['info'].get('description', ''))}</p>",
        '<p><a href="openapi.json">openapi.json</a> describes it for programs.</p>',
    ]
    for path, methods in description["paths"].items():
        for method, entry in methods.items():
            parts += _endpoint(f"{method.upper()} {path}", entry)
    return "".join([*parts, "</body></html>"])


def _endpoint(name: str, entry: Mapping[str, Any]) -> list[str]:
    parts = [f"<h2><code>{escape(name)}</code></h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in entry.get("description", "").split("\n\n") if text]
    if entry.get("parameters"):
        parts.append("<table><tr><th>query</th><th>meaning</th></tr>")
        for one in entry["parameters"]:
            meaning = one.get("description") or one.get("schema", {}).get("description", "")
            parts.append(f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(meaning)}</td></tr>")
        parts.append("</table>")
    kinds = entry.get("requestBody", {}).get("content", {})
    if kinds:
        names = " or ".join(f"<code>{escape(kind)}</code>" for kind in kinds)
        parts.append(f"<p>Body: {names}</p>")
    return parts

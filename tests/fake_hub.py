"""A hub of one's own: an HTTP server that speaks as much of the Hugging Face hub's API as LeukNet uses.

Repositories are folders, each commit a folder of files. Start it with `python -m tests.fake_hub FOLDER`; it
prints its address.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "hf_test"


class Hub(BaseHTTPRequestHandler):
    """Answers one request."""

    root: Path
    protocol_version = "HTTP/1.1"

    @property
    def address(self) -> str:
        """Of this server."""
        return f"http://{self.headers['Host']}"

    def log_message(self, *_: Any) -> None:
        """Nothing: tests have their own messages."""

    def do_POST(self) -> None:
        """Make repositories and commits; whoever does must be known."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/validate-yaml":
            return self._say({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._say({"error": "Invalid credentials"}, 401)
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            if (self.root / name).exists():
                return self._say({"error": "exists", "url": f"{self.address}/{name}"}, 409)
            (self.root / name / "commits").mkdir(parents=True)
            private = (
                asked.get("private") or asked.get("visibility") == "private"
            )  # older clients, newer ones
            (self.root / name / "private").write_text(str(private))
            return self._say({"url": f"{self.address}/{name}", "name": name})
        if found := re.fullmatch(r"/api/models/(.+)/preupload/main", self.path.partition("?")[0]):
            files = json.loads(body)["files"]
            return self._say(
                {
                    "files": [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
                    ]
                }
            )
        if found := re.fullmatch(r"/api/models/(.+)/commit/main", self.path.partition("?")[0]):
            return self._commit(found.group(1), [json.loads(line) for line in body.splitlines()])
        return self._say({"error": f"not spoken: {self.path}"}, 501)

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        commits = self.root / name / "commits"
        sha = hashlib.sha1(json.dumps(lines).encode(), usedforsecurity=False).hexdigest()
        folder = commits / sha
        if (self.root / name / "head").exists():
            shutil.copytree(commits / (self.root / name / "head").read_text(), folder, dirs_exist_ok=True)
        folder.mkdir(exist_ok=True)
        for line in lines:
            if line["key"] == "file":
                (folder / line["value"]["path"]).write_bytes(base64.b64decode(line["value"]["content"]))
        (self.root / name / "head").write_text(sha)
        address = f"{self.address}/{name}/commit/{sha}"
        self._say({"commitUrl": address, "commitOid": sha, "pullRequestUrl": None})

    def do_GET(self) -> None:
        """Say what there is, and give files."""
        path = self.path.partition("?")[0]
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            folder = self._folder(found.group(1), found.group(2) or "main")
            if folder is None:
                return self._missing("RepoNotFound")
            names = [{"rfilename": one.name} for one in sorted(folder.iterdir())]
            return self._say({"id": found.group(1), "sha": folder.name, "siblings": names})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            folder = self._folder(found.group(1), found.group(2))
            if folder is None:
                return self._missing("RepoNotFound")
            return self._say(
                [
                    {"type": "file", "path": one.name, "size": one.stat().st_size, "oid": one.name}
                    for one in sorted(folder.iterdir())
                ]
            )
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            folder = self._folder(found.group(1), found.group(2))
            file = None if folder is None else folder / found.group(3)
            if file is None or folder is None or not file.is_file():
                return self._missing("EntryNotFound")
            content = file.read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"')
            self.send_header("X-Repo-Commit", folder.name)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)
            return None
        return self._say({"error": f"not spoken: {self.path}"}, 501)

    do_HEAD = do_GET  # noqa: N815  as the base class asks for

    def _folder(self, name: str, revision: str) -> Path | None:
        head = self.root / name / "head"
        if not head.exists():
            return None
        folder = self.root / name / "commits" / (head.read_text() if revision == "main" else revision)
        return folder if folder.is_dir() else None

    def _missing(self, code: str) -> None:
        self._say({"error": code}, 404, {"X-Error-Code": code, "X-Error-Message": code})

    def _say(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def main() -> None:
    """Serve until killed."""
    Hub.root = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

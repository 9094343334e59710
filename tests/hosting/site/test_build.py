"""The whole site of boards that strangers have filled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest
from made_boards import SOURCE, accept, submission
from playwright.sync_api import sync_playwright

from crossbench.errors import BundleError, RequestError
from crossbench.hosting.changes import new_board, remove_submission
from crossbench.hosting.folder import BoardSettings, open_board
from crossbench.hosting.site import build
from crossbench.hosting.site.build import build_site
from crossbench.hosting.site.charts import Charts
from crossbench.hosting.site.content import read_content, slug
from crossbench.hosting.site.markup import Html
from crossbench.hosting.site.method import method_body
from crossbench.results.figures.figure import Figure, compose
from crossbench.specs.conformance import ConformanceReport, Kernel

HOSTILE = "<script>alert('x')</script>\"&<b>"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
VOID = {"meta", "img", "source", "br"}
ALLOWED = {"href", "src", "srcset"}


class Page(HTMLParser):
    """Elements, text and links of a page, every element closed."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(file.read_text(encoding="utf-8"))
        assert self.open == [], file

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def pages(site: Path) -> dict[str, Page]:
    return {file.relative_to(site).as_posix(): Page(file) for file in site.rglob("*.html")}


def contents(site: Path) -> dict[str, bytes]:
    files = (file for file in site.rglob("*") if file.is_file())
    return {file.relative_to(site).as_posix(): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a board on which every text is an attack."""
    folder = tmp_path_factory.mktemp("hostile")
    settings = BoardSettings(title=HOSTILE, description=HOSTILE, contact="javascript:alert(1)")
    board = new_board(folder / "board", settings).folder
    check = {"name": HOSTILE, "status": "fail", "detail": HOSTILE, "example": HOSTILE}
    report = {"schema": 1, "method": HOSTILE, "sha256": "0" * 64, "checks": [check], "cost": []}
    metadata = {"authors": [HOSTILE], "paper": HOSTILE, "url": "https://example.org/'"}
    bundle = submission(
        folder / "hostile.zip",
        HOSTILE,
        tasks=("nodule-malignancy-3d", "my-<i>task</i>"),
        authors=[HOSTILE],
        note=HOSTILE,
        contents={"conformance.json": json.dumps(report).encode(), "LICENSE": HOSTILE.encode()},
        origin={"summary": HOSTILE, "metadata": metadata, "distribution": HOSTILE},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSBENCH_CACHE", str(folder / "cache"))
        accept(board, bundle)
        gone = submission(folder / "gone.zip", "gone", tasks=("nodule-malignancy-3d",))
        accept(board, gone)
        remove_submission(board, "gone", HOSTILE)
        build_site(open_board(board), folder / "site", with_charts=False)
    return folder / "site"


def test_no_text_of_a_bundle_becomes_markup(hostile: Path) -> None:
    for address, page in pages(hostile).items():
        tags = {tag for tag, _ in page.elements}
        assert tags.isdisjoint({"script", "i", "iframe", "object", "link", "base", "form"}), address
        attributes = {name for _, each in page.elements for name in each}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        addresses = [str(each["href"]) for _, each in page.elements if "href" in each]
        assert not [each for each in addresses if "javascript" in each.split("/")[0]]


def test_hostile_words_are_shown_as_they_are(hostile: Path) -> None:
    found = pages(hostile)
    page = found[f"methods/{slug(HOSTILE)}.html"]
    assert page.words.count(HOSTILE) >= 8
    for part in (SOURCE.decode(), "my-<i>task</i>", "1 failed"):
        assert part in page.words
    front = found["index.html"]
    gone = open_board(hostile.parent / "board").submissions[1]
    assert f"removed on {gone.entry.removed[:10]}: {HOSTILE}" in front.words
    assert ("a", {"href": "javascript:alert(1)"}) not in front.elements


def test_every_link_leads_to_a_file_of_the_site(hostile: Path) -> None:
    count = 0
    for address, page in pages(hostile).items():
        for tag, attributes in page.elements:
            for name in ALLOWED & attributes.keys():
                where = str(attributes[name])
                if where.startswith("https://"):
                    assert tag == "a"
                    continue
                path, _, anchor = where.partition("#")
                target = (hostile / address).parent / unquote(path)
                assert target.is_file(), (address, where)
                known = {each.get("id") for _, each in Page(target).elements} if anchor else {""}
                assert anchor in known, (address, where)
                count += 1
    assert count > 30


def test_the_site_says_what_counts(board: Path, tmp_path: Path) -> None:
    assert build_site(open_board(board), tmp_path / "site", with_charts=False) == 6
    found = pages(tmp_path / "site")
    front = found["index.html"].words
    for words in ("2methods", "2tasks", "8runs", "2026-11-02", "B. Other", "mine", "majority"):
        assert words in front, words
    assert "chance" in front
    page = found["methods/mine.html"].words
    for words in ("A. Author", "1 of 2", "0.500", "crossbench verify", "crossbench run --method"):
        assert words in page, words
    task = found["tasks/nodule-malignancy-3d.html"].words
    assert "each of K classes the probability 1/K" in task
    assert "likely malignant" in task


def test_bundles_are_there_to_download(board: Path, tmp_path: Path) -> None:
    build_site(open_board(board), tmp_path / "site", with_charts=False)
    for each in open_board(board).submissions:
        copy = tmp_path / "site" / "bundles" / f"{each.id}.zip"
        assert copy.read_bytes() == each.bundle.read_bytes()


def test_an_empty_board_has_a_site(empty: Path, tmp_path: Path) -> None:
    assert build_site(open_board(empty), tmp_path / "site") == 1
    assert "There are no results in force yet." in pages(tmp_path / "site")["index.html"].words


@pytest.mark.parametrize(
    "with_charts", [False, pytest.param(True, marks=pytest.mark.slow, id="with charts")]
)
def test_the_same_board_gives_the_same_bytes_in_place_of_the_old_ones(
    board: Path, tmp_path: Path, with_charts: bool
) -> None:
    """A file of the old site does not stay."""
    site = tmp_path / "site"
    build_site(open_board(board), site, with_charts=with_charts)
    first = contents(site)
    (site / "methods" / "gone.html").touch()
    build_site(open_board(board), site, with_charts=with_charts)
    assert contents(site) == first
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.slow
def test_every_picture_has_a_text_and_four_forms(board: Path, tmp_path: Path) -> None:
    build_site(open_board(board), tmp_path / "site")
    elements = pages(tmp_path / "site")["index.html"].elements
    pictures = [each for tag, each in elements if tag == "img"]
    assert len(pictures) >= 3
    assert all(len(str(each["alt"])) > 20 for each in pictures)
    sources = [str(each["media"]) for tag, each in elements if tag == "source"]
    assert len(sources) == 3 * len(pictures)
    assert any("dark" in media and "max-width" in media for media in sources)


def test_a_failed_build_leaves_the_old_site(board: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    build_site(open_board(board), site, with_charts=False)
    before = contents(site)
    open_board(board).submissions[0].bundle.write_bytes(b"damaged")
    with pytest.raises(BundleError, match="is not the file that was accepted"):
        build_site(open_board(board), site, with_charts=False)
    assert contents(site) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["board", "site"]


def test_what_is_no_site_is_not_replaced(board: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(RequestError, match="holds something else than a site"):
        build_site(open_board(board), tmp_path / "mine")
    with pytest.raises(RequestError, match="is the board itself"):
        build_site(open_board(board), board)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_without_vl_convert_the_remedy_is_told(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"crossbench\[figures\]', or --no-charts"):
        build_site(open_board(board), tmp_path / "site")


def test_names_have_addresses_of_their_own() -> None:
    names = ["acs", "ACS", "a/b", "a-b", "x" * 80, "x" * 81, "..", "temp:2"]
    assert len({slug(name).casefold() for name in names}) == len(names)
    assert slug("acs") == "acs"


def test_superseded_submissions_are_shown_as_such(
    board: Path, bundles: Path, tmp_path: Path, add: Callable[..., object]
) -> None:
    add(board, bundles / "better.zip", "2026-11-09T00:00:00+00:00")
    build_site(open_board(board), tmp_path / "site", with_charts=False)
    words = pages(tmp_path / "site")["methods/mine.html"].words
    assert "superseded on 2026-11-09 by mine-" in words


def test_the_page_of_a_method_draws_its_kernel(board: Path, tmp_path: Path) -> None:
    kernel = Kernel(channels=(0,), plane=((1.0,),), volume=(((0.25,),), ((0.75,),)))
    report = ConformanceReport(method="mine", sha256="0" * 64, kernels=(kernel,))
    bundle = submission(
        tmp_path / "mine.zip",
        skill=2.0,
        contents={"conformance.json": json.dumps(report.to_mapping()).encode()},
    )
    accept(board, bundle, "2026-11-10T00:00:00+00:00")
    (tmp_path / "site").mkdir()
    content = read_content(open_board(board))
    page = method_body(content, "mine", OnlyKernels(tmp_path / "site"))
    files = {file.name for file in (tmp_path / "site" / "charts").iterdir()}
    forms = ("dark-narrow", "dark-wide", "light-narrow", "light-wide")
    assert files == {f"kernel-mine-{form}.svg" for form in forms}
    assert "The kernel of mine in 2D and in 2 planes of 3D." in page


class OnlyKernels(Charts):
    """Draws what is looked at alone, for every picture takes a while."""

    def show(self, draw: Any, name: str, *, root: str = "") -> Html:
        return super().show(draw, name, root=root) if name.startswith("kernel") else Html("")


def test_pictures_are_files_of_the_site(tmp_path: Path) -> None:
    """One figure in its four forms, drawn by vl-convert."""
    data = pd.DataFrame({"a": [1]})
    mark = {"mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}

    def draw(theme: Any) -> Figure:
        return compose(data, [mark], name="n", title="T", alt="<b>", height=50, theme=theme)

    shown = Charts(tmp_path).show(draw, "board-n", root="../")
    files = sorted(file.name for file in (tmp_path / "charts").iterdir())
    forms = ("dark-narrow", "dark-wide", "light-narrow", "light-wide")
    assert files == [f"board-n-{form}.svg" for form in forms]
    assert all(f"../charts/{name}" in shown for name in files)
    assert 'alt="&lt;b&gt;"' in shown


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_site_opens_in_a_browser_without_loading_anything(
    board: Path, tmp_path: Path, width: int
) -> None:
    """From its folder, without JavaScript: every picture is drawn, and no page scrolls sideways."""
    site = tmp_path / "site"
    build_site(open_board(board), site)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        for file in sorted(site.rglob("*.html")):
            page.goto(file.as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, file
            drawn = page.evaluate("[...document.images].map(each => each.naturalWidth)")
            assert all(drawn), file
        browser.close()
    assert said == []
    assert all(each.startswith(site.as_uri()) for each in asked)

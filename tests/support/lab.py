"""A user of JupyterLab in Chromium. Takes orders: one JSON object per line in, one out."""

import time

from orders import serve
from playwright.sync_api import sync_playwright

OUTPUT = ".jp-Notebook .jp-Cell >> nth={} >> .jp-Cell-outputWrapper"
page = None


def open_notebook(url, chromium, **_):
    global page
    browser = playwright.chromium.launch(
        executable_path=chromium,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    )
    page = browser.new_page(viewport={"width": 1100, "height": 400}, device_scale_factor=1.5)
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60000)
    # Waits for the kernel itself: the mark beside its name shows idle from the beginning, but until the kernel
    # answers, the keys that run a cell do nothing.
    page.locator("#jp-main-statusbar").get_by_text("| Idle").first.wait_for(timeout=60000)
    return {}


WATCH = """number => {
    const prompt = () => document.querySelectorAll('.jp-Notebook .jp-Cell')[number].querySelector('.jp-InputPrompt').textContent;
    window.seen = false;
    window.watch?.disconnect();
    window.watch = new MutationObserver(() => { window.seen = window.seen || prompt().includes('*'); });
    window.watch.observe(document.body, {childList: true, characterData: true, subtree: true});
}"""


def run_cell(number, **_):
    """Runs a cell and waits until it has run: its prompt shows a star, perhaps only for a moment, then a number."""
    cell = page.locator(f".jp-Notebook .jp-Cell >> nth={number}")
    cell.locator(".jp-InputArea-editor").click()
    page.evaluate(WATCH, number)
    page.keyboard.press("Control+Enter")
    end = time.monotonic() + 60
    # The page forbids eval, so wait_for_function can't be used.
    while not page.evaluate("() => window.seen"):
        if time.monotonic() > end:
            raise TimeoutError(f"the cell does not run: {cell.inner_text()!r}")
        page.wait_for_timeout(50)
    cell.locator(".jp-InputPrompt:not(:has-text('*')):has-text(']:')").wait_for(timeout=60000)
    # Output that arrived before the number is shown by now, or soon.
    cell.locator(".jp-OutputArea-output").first.wait_for(timeout=60000)
    return output(number)


def output(number, **_):
    return {"text": page.locator(OUTPUT.format(number)).inner_text(timeout=10000)}


def dialogs(**_):
    return {"text": [dialog.inner_text() for dialog in page.locator(".jp-Dialog").all()]}


def picture(path, **_):
    """Takes a picture of the upper part, without JupyterLab's question about news."""
    page.add_style_tag(content=".Toastify { display: none }")
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": 1100, "height": 325})
    return {}


with sync_playwright() as playwright:
    serve(globals())

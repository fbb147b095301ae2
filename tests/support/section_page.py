"""A person before the Secrets section in Chromium: one JSON object a line in, one out."""

import json
import os

from orders import serve
from playwright.sync_api import sync_playwright

AXE = os.path.join(os.path.dirname(__file__), "..", "..", "section", "node_modules", "axe-core", "axe.min.js")
PANEL = "#jupyter-vault-secrets"
CELL = ".jp-Notebook .jp-Cell >> nth=0"
LIMIT = 30000
page = None
bodies = []


def start(chromium, **_):
    """Opens a browser, and keeps every answer of the section."""
    global page
    browser = playwright.chromium.launch(
        executable_path=chromium,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    )
    page = browser.new_page(viewport={"width": 1100, "height": 700})
    page.set_default_timeout(LIMIT)
    # Before the page's own scripts, whose rules would refuse it later.
    page.add_init_script(path=AXE)
    page.on("response", lambda answer: bodies.append(answer) if "/jupyter-vault/" in answer.url else None)
    return {}


def open_page(url, **_):
    """Opens a notebook, and waits for its kernel."""
    # A browser keeps no answers of a page that it left.
    bodies.clear()
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60000)
    page.locator("#jp-main-statusbar").get_by_text("| Idle").first.wait_for(timeout=60000)
    return {}


def show(**_):
    """Opens the panel by its tab, if it is not open."""
    if not page.locator(PANEL).is_visible():
        page.locator('[data-id="jupyter-vault-secrets"]').click()
    page.locator(PANEL).wait_for()
    return {}


def says(text, **_):
    """Waits until the panel says something."""
    page.locator(PANEL).get_by_text(text).first.wait_for()
    return {"text": page.locator(PANEL).inner_text()}


def gone(text, **_):
    """Waits until the panel says something no more."""
    page.locator(PANEL).get_by_text(text, exact=True).first.wait_for(state="detached")
    return {}


def click(name, anywhere=False, **_):
    """Clicks the button of that name."""
    place = page if anywhere else page.locator(PANEL)
    place.get_by_role("button", name=name, exact=True).first.click()
    return {}


def fill(label, text, **_):
    """Fills the field of that label."""
    page.locator(PANEL).get_by_label(label, exact=True).fill(text)
    return {}


def keys(presses, **_):
    """Presses keys, one after another, where the focus is."""
    for press in presses:
        page.keyboard.press(press)
    return {"focus": page.evaluate("() => document.activeElement.textContent")}


def focus(secret, **_):
    """Puts the focus on a secret's row."""
    page.locator(f'{PANEL} [data-secret="{secret}"] .jp-VaultSection-name').focus()
    return {}


def choose(name, content, **_):
    """Gives the panel a file."""
    file = {"name": name, "mimeType": "text/plain", "buffer": content.encode()}
    page.locator(f"{PANEL} input[type=file]").set_input_files(file)
    return {}


def run_cell(**_):
    """Runs the first cell, and gives what it prints."""
    cell = page.locator(CELL)
    output = cell.locator(".jp-OutputArea-output")
    before = cell.locator(".jp-InputPrompt").inner_text()
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    cell.locator(f".jp-InputPrompt:not(:has-text('*')):not(:text-is('{before}')):has-text(']:')").wait_for()
    output.first.wait_for()
    return {"text": output.first.inner_text()}


def traces(text, **_):
    """Where a text is still to be found: in the page, its fields, the browser's storage, an answer."""
    fields = "() => [...document.querySelectorAll('input, textarea')].map(field => field.value).join('\\n')"
    stores = "() => JSON.stringify([{...localStorage}, {...sessionStorage}])"
    places = {
        "page": page.content(),
        "fields": page.evaluate(fields),
        "storage": page.evaluate(stores),
        "url": page.url + "".join(answer.url for answer in bodies),
        "answers": "".join(answer.text() for answer in bodies),
    }
    return {"found": [place for place, content in places.items() if text in content], "answers": len(bodies)}


def axe(theme, **_):
    """What axe-core has against the panel, in a theme."""
    page.evaluate(f"theme => window.jupyterapp.commands.execute('apputils:change-theme', {{theme}})", theme)
    light = "true" if "Light" in theme else "false"
    page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")
    found = page.evaluate(f"() => axe.run('{PANEL}').then(seen => JSON.stringify(seen.violations))")
    short = [
        {"id": one["id"], "where": [node["html"] for node in one["nodes"]], "why": one["nodes"][0]["failureSummary"]}
        for one in json.loads(found)
    ]
    return {"violations": short}


def picture(path, **_):
    """Takes a picture."""
    page.screenshot(path=path)
    return {}


with sync_playwright() as playwright:
    serve(globals())

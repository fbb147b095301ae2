"""A user of the Secrets section in Chromium. Takes orders: one JSON object per line in, one out."""

import json
import os
import time

from orders import serve
from playwright.sync_api import Error, sync_playwright

AXE = os.path.join(os.path.dirname(__file__), "..", "..", "section", "node_modules", "axe-core", "axe.min.js")
PANEL = "#jupyter-vault-secrets"
CELL = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell >> nth=0"
LIMIT = 60000
page = None
pages = []
browser = None
bodies = []


def start(chromium, **_):
    """Opens a browser, and keeps every answer of the section."""
    global browser
    browser = playwright.chromium.launch(
        executable_path=chromium,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    )
    context = browser.new_context(viewport={"width": 1100, "height": 700})
    context.set_default_timeout(LIMIT)
    # Added before the page's own scripts: later, the page's content policy would refuse it.
    context.add_init_script(path=AXE)
    context.on("response", keep)
    pages.append(context)
    return tab(1)


def keep(answer):
    """Keeps an answer of the section to one of the user's own tabs."""
    if ("/jupyter-vault/" in answer.url or "/api/" in answer.url) and answer.frame.page in pages:
        bodies.append(answer)


def tab(number, **_):
    """Goes to a tab; a new one is opened."""
    global page
    context = pages[0]
    if number == len(pages):
        pages.append(context.new_page())
    page = pages[number]
    page.bring_to_front()
    return {}


def open_page(url, **_):
    """Opens a notebook, and waits for its kernel."""
    page.goto(url, wait_until="domcontentloaded")
    # JupyterLab first restores the earlier workspace.
    name = url.split("?")[0].split("/")[-1]
    page.locator("#jp-main-dock-panel .lm-TabBar-tab.lm-mod-current", has_text=name).first.wait_for(timeout=60000)
    page.locator(CELL).wait_for(timeout=60000)
    page.locator("#jp-main-statusbar").get_by_text("| Idle").first.wait_for(timeout=60000)
    return {}


def open_own(url, stranger=False, **_):
    """Opens the separate page; a stranger uses another browser."""
    global page
    if stranger:
        context = browser.new_context()
        context.set_default_timeout(LIMIT)
        context.add_init_script(path=AXE)
        page = context.new_page()
    page.goto(url)
    page.locator(PANEL).wait_for()
    return {"url": page.url, "cookies": page.context.cookies()}


def axe_own(**_):
    """The problems that axe-core finds in the whole page, in both colour schemes."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        seen = json.loads(page.evaluate("() => axe.run().then(seen => JSON.stringify(seen.violations))"))
        found += [(scheme, one["id"], [node["html"] for node in one["nodes"]]) for one in seen]
    return {"violations": found}


def show(**_):
    """Opens the panel by its tab, if it is not open."""
    if not page.locator(PANEL).is_visible():
        page.locator('[data-id="jupyter-vault-secrets"]').click()
    page.locator(PANEL).wait_for()
    return {}


def says(text, **_):
    """Waits until the panel shows a text."""
    page.locator(PANEL).get_by_text(text).first.wait_for()
    return {"text": page.locator(PANEL).inner_text()}


def gone(text, **_):
    """Waits until the panel no longer shows a text."""
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
    """Chooses a file for the panel's import."""
    file = {"name": name, "mimeType": "text/plain", "buffer": content.encode()}
    page.locator(f"{PANEL} input[type=file]").set_input_files(file)
    return {}


def run_cell(code=None, **_):
    """Runs the first cell, with other code if some is given; returns its output."""
    cell = page.locator(CELL)
    if code:
        cell.locator(".jp-InputArea-editor").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(code)
    output = cell.locator(".jp-OutputArea-output")
    before = cell.locator(".jp-InputPrompt").inner_text()
    # Until the kernel is ready, the keys that run a cell do nothing, even if the page shows it as idle.
    for _ in range(6):
        cell.locator(".jp-InputArea-editor").click()
        page.keyboard.press("Control+Enter")
        try:
            cell.locator(f".jp-InputPrompt:not(:text-is('{before}'))").wait_for(timeout=10000)
            break
        except Error:
            continue
    cell.locator(f".jp-InputPrompt:not(:has-text('*')):not(:text-is('{before}')):has-text(']:')").wait_for()
    output.first.wait_for()
    return {"text": output.first.inner_text()}


def read(answer):
    """The text of an answer; a browser does not keep the answers to a page that it has left."""
    try:
        return answer.text()
    except Error:
        return None


def traces(text, **_):
    """Where a text still is: in the page, its fields, the browser's storage, an answer."""
    fields = "() => [...document.querySelectorAll('input, textarea')].map(field => field.value).join('\\n')"
    stores = "() => JSON.stringify([{...localStorage}, {...sessionStorage}])"
    texts = [text for text in map(read, bodies) if text is not None]
    places = {
        "page": page.content(),
        "fields": page.evaluate(fields),
        "storage": page.evaluate(stores),
        "url": page.url + "".join(answer.url for answer in bodies),
        "answers": "".join(texts),
    }
    return {"found": [place for place, content in places.items() if text in content], "answers": len(texts)}


def below(text, **_):
    """Waits until a text is shown below a cell."""
    page.locator(".jp-VaultSection-answer").get_by_text(text).first.wait_for()
    return {"text": page.locator(".jp-VaultSection-answer").all_inner_texts()}


def told(text, **_):
    """Waits until a notification shows a text."""
    page.locator(".Toastify__toast").get_by_text(text).first.wait_for()
    return {"text": page.locator(".Toastify__toast").all_inner_texts()}


def select(label, option, **_):
    """Chooses an option of the panel."""
    page.locator(PANEL).get_by_label(label).select_option(label=option)
    return {}


def switch(name, **_):
    """Turns a switch of the panel."""
    page.locator(PANEL).get_by_role("switch", name=name, exact=True).click()
    return {}


def value_of(label, **_):
    """The value of a field of the panel."""
    return {"value": page.locator(PANEL).get_by_label(label, exact=True).input_value()}


def buttons(**_):
    """The names of the panel's buttons."""
    names = "buttons => buttons.map(button => button.ariaLabel || button.innerText)"
    return {"names": page.locator(f"{PANEL} button").evaluate_all(names)}


def shows(name, **_):
    """Waits until the panel has a button."""
    page.locator(PANEL).get_by_role("button", name=name, exact=True).first.wait_for()
    return {}


def copied(name, **_):
    """Clicks a button that copies; returns the copied text."""
    page.evaluate(
        "() => { window.copied = ''; const keep = event => { event.preventDefault(); };"
        " document.addEventListener('copy', event => { window.copied = event.clipboardData.getData('text/plain')"
        " || document.getSelection().toString(); }, {once: true}); }"
    )
    click(name)
    end = time.monotonic() + LIMIT / 1000
    # The page forbids eval, so wait_for_function can't be used.
    while not (text := page.evaluate("() => window.copied")) and time.monotonic() < end:
        page.wait_for_timeout(50)
    return {"text": text}


def narrow(width, **_):
    """Makes the panel that narrow; returns the elements that do not fit."""
    sticks_out = """(panel, width) => {
        panel.style.setProperty('width', `${width}px`, 'important');
        panel.style.setProperty('min-width', '0', 'important');
        const edge = panel.getBoundingClientRect().right + 0.5;
        const out = [...panel.querySelectorAll('*')].filter(part => {
            const clipped = part.closest('.jp-VaultSection-name, .jp-VaultSection-short');
            return !clipped && part.getBoundingClientRect().right > edge;
        }).map(part => part.outerHTML.slice(0, 120));
        const scrolls = panel.scrollWidth > panel.clientWidth;
        return {out, scrolls, width: panel.getBoundingClientRect().width};
    }"""
    found = page.locator(PANEL).evaluate(sticks_out, width)
    restore = "panel => { panel.style.removeProperty('width'); panel.style.removeProperty('min-width'); }"
    found["short"] = page.locator(f"{PANEL} .jp-VaultSection-short").all_inner_texts()
    page.locator(PANEL).evaluate(restore)
    return found


def log_out(**_):
    """Loses the browser's login at the Jupyter server, as when its session is over."""
    pages[0].clear_cookies()
    page.evaluate("() => { window.jupyterapp.serviceManager.serverSettings.token = 'of a session that is over'; }")
    return {}


def evil(url, place="jupyter-vault", **_):
    """Opens a page of another origin, which tries to store and to read secrets in the user's name."""
    # The same host, so that the browser sends the user's cookies along.
    attack = """async ([url, place]) => {
        const said = [];
        const body = JSON.stringify({name: 'STOLEN', value: 'evil'});
        for (const [method, type, mode] of [
            ['POST', 'text/plain', 'no-cors'], ['POST', 'application/json', 'cors'], ['POST', 'text/plain', 'cors'],
            ['GET', '', 'cors'],
        ]) {
            const path = method === 'GET' ? 'secrets' : 'set';
            const init = {method, mode, credentials: 'include'};
            if (method === 'POST') { init.body = body; init.headers = {'Content-Type': type}; }
            try {
                const answer = await fetch(`${url}/${place}/${path}`, init);
                said.push(await answer.text());
            } catch (cause) { said.push('refused'); }
        }
        const form = document.createElement('form');
        form.method = 'POST'; form.enctype = 'text/plain'; form.action = `${url}/${place}/set`;
        const field = document.createElement('input');
        field.name = '{"name":"STOLEN","value":"evil","x":"'; field.value = '"}';
        form.append(field); document.body.append(form);
        setTimeout(() => form.submit(), 0);
        return said;
    }"""
    stranger = pages[0].new_page()
    sent = []
    stranger.on("request", lambda request: sent.append(request) if f"/{place}/" in request.url else None)
    stranger.route("http://127.0.0.1:1/", lambda route: route.fulfill(content_type="text/html", body="<p>evil</p>"))
    stranger.goto("http://127.0.0.1:1/")
    with stranger.expect_navigation():
        said = stranger.evaluate(attack, [url, place])
    answer = stranger.locator("body").inner_text()
    cookies = [request.all_headers().get("cookie", "") for request in sent if request.method == "POST"]
    stranger.close()
    return {"said": said, "form": answer, "with_cookies": any(cookies)}


def answer(agrees, **_):
    """Answers JupyterLab's question."""
    button = ".jp-mod-warn" if agrees else ".jp-mod-reject"
    page.locator(f".jp-Dialog button{button}").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    return {}


def open_source(name, **_):
    """Opens a data source's row."""
    page.locator(f'{PANEL} [data-source="{name}"] .jp-VaultSection-name').click()
    return {}


def attach(id, **_):
    """Makes jupyter-secrets-manager fill a new field of an extension of ours; returns the value."""
    code = """async id => {
        const {ISecretsManager, SecretsManager} = (await window._JUPYTERLAB['jupyter-secrets-manager'].get('./index'))();
        const app = window.jupyterapp;
        if (!window.manager) {
            const activate = (app, manager) => { window.manager = manager; };
            app.registerPlugin(SecretsManager.sign('test:plugin', token => {
                window.managerToken = token;
                return {id: 'test:plugin', requires: [ISecretsManager], activate};
            }));
            await app.activatePlugin('test:plugin');
        }
        const field = document.createElement('input');
        field.id = 'attached';
        field.style.cssText = 'position: fixed; top: 0; left: 40%; z-index: 99999';
        document.getElementById('attached')?.remove();
        document.body.append(field);
        await window.manager.attach(window.managerToken, 'test:plugin', id, field);
        return field.value;
    }"""
    return {"value": page.evaluate(code, id)}


def type_into(text, **_):
    """Types into that field, key by key."""
    page.locator("#attached").click()
    page.keyboard.type(text)
    return {}


def high_contrast(on, **_):
    """Switches the system's forced colours on or off."""
    page.emulate_media(forced_colors="active" if on else "none")
    return {}


def axe(theme, part=PANEL, **_):
    """The problems that axe-core finds in the panel, or another part of the page, in a theme."""
    page.evaluate(f"theme => window.jupyterapp.commands.execute('apputils:change-theme', {{theme}})", theme)
    light = "true" if "Light" in theme else "false"
    page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")
    found = page.evaluate(f"() => axe.run('{part}').then(seen => JSON.stringify(seen.violations))")
    short = [
        {"id": one["id"], "where": [node["html"] for node in one["nodes"]], "why": one["nodes"][0]["failureSummary"]}
        for one in json.loads(found)
    ]
    return {"violations": short}


def until_filled(**_):
    """How long the panel takes from the click on its tab until the new list is shown, in milliseconds."""
    tab = page.locator('[data-id="jupyter-vault-secrets"]')
    tab.click()
    page.locator(PANEL).wait_for(state="hidden")
    page.evaluate(
        """() => { window.filled = new Promise((resolve, reject) => {
            setTimeout(() => reject(new Error('nothing was asked')), 20000);
            let began = 0;
            document.addEventListener('pointerdown', () => { began = performance.now(); }, {capture: true, once: true});
            new PerformanceObserver(seen => {
                if (seen.getEntries().some(entry => entry.name.includes('/jupyter-vault/secrets'))) {
                    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began), 0));
                }
            }).observe({entryTypes: ['resource']});
        }); }"""
    )
    tab.click()
    return {"ms": page.evaluate("() => window.filled")}


def picture(path, **_):
    """Takes a picture of the upper part, without JupyterLab's question about news."""
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": 1100, "height": 400})
    return {}


with sync_playwright() as playwright:
    serve(globals())

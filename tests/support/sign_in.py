"""A person who signs in at OpenBao's own page in Chromium. Takes orders: one JSON object per line in, one out."""

from orders import serve
from playwright.sync_api import sync_playwright

page = None


def sign_in(url, chromium, username, password, **_):
    """Opens the address, signs in with name and password, and returns the address of the last page."""
    global page
    browser = playwright.chromium.launch(
        executable_path=chromium,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    )
    page = browser.new_page()
    page.set_default_timeout(60000)
    page.goto(url, wait_until="domcontentloaded")
    page.get_by_label("Method").select_option("userpass")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign In").click()
    page.wait_for_url("http://localhost:*/oidc/callback**")
    return {"text": page.locator("body").inner_text(), "host": page.evaluate("location.host")}


with sync_playwright() as playwright:
    serve(globals())

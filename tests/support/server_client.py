"""A user of a Jupyter server or gateway, over REST and websocket. Takes orders: one JSON object per line in, one out.

Orders name the `kernel` by what `launch` called it, so that several can be used at once.
"""

import concurrent.futures
import http.cookiejar
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import websocket
from orders import serve
from waiting import eventually

url = token = None
kernels = {}


def server(at, secret, **_):
    global url, token
    url, token = at.rstrip("/"), secret
    return {}


def hub(at, user, password, **_):
    """Logs in to a JupyterHub as a browser does, and starts the user's server, which later orders use."""
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))

    def guard():
        return next(cookie.value for cookie in cookies if cookie.name == "_xsrf" and cookie.path == "/hub/")

    browser.open(f"{at}/hub/login", timeout=60).read()
    form = {"username": user, "password": password, "_xsrf": guard()}
    # The page that follows does not matter here.
    browser.open(f"{at}/hub/login?next=%2Fhub%2Ftoken", urllib.parse.urlencode(form).encode(), timeout=60).read()
    headers = {"X-XSRFToken": guard(), "Content-Type": "application/json", "Referer": f"{at}/hub/token"}
    ask = urllib.request.Request(f"{at}/hub/api/users/{user}/tokens", b"{}", headers, method="POST")
    own = json.loads(browser.open(ask, timeout=60).read())["token"]

    def api(method, path):
        request = urllib.request.Request(f"{at}/hub/api/{path}", headers={"Authorization": f"token {own}"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    api("POST", f"users/{user}/server")

    def is_ready():
        return api("GET", f"users/{user}")["servers"].get("", {}).get("ready")

    eventually("the user's server starts", is_ready)
    return server(f"{at}/user/{user}", own)


def keep_token(to, **_):
    """Writes the user's token to a file of the user's alone."""
    with open(os.open(to, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(token)
    return {}


def leave_hub(at, user, **_):
    """Ends the user's server."""
    request = urllib.request.Request(f"{at}/hub/api/users/{user}/server", headers={"Authorization": f"token {token}"}, method="DELETE")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return {"status": answer.status}


def status(path, at=None, **_):
    """What a server answers to a GET."""
    try:
        request = urllib.request.Request(f"{at or url}/{path}", headers={"Authorization": f"token {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return {"status": answer.status}
    except urllib.error.HTTPError as refused:
        return {"status": refused.code}


def rest(method, path, body=None, timeout=90):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def launch(kernel="one", name="vaulted", env=None, **_):
    body = {"name": name}
    if env:
        body["env"] = env
    _, model = rest("POST", "kernels", body)
    kernels[kernel] = {"id": model["id"]}
    connect(kernel)
    return {"id": model["id"]}


def connect(kernel="one", **_):
    of = kernels[kernel]
    if "socket" in of:
        of["socket"].close()
    of["session"] = uuid.uuid4().hex
    address = url.replace("http", "ws", 1) + f"/api/kernels/{of['id']}/channels?session_id={of['session']}"
    of["socket"] = websocket.create_connection(address, header=[f"Authorization: token {token}"], timeout=60)
    return {}


def send(kernel, kind, content, channel="shell"):
    """Sends a request without waiting for its reply; returns its id."""
    of = kernels[kernel]
    message = uuid.uuid4().hex
    header = {"msg_id": message, "msg_type": kind, "session": of["session"], "username": "", "version": "5.3", "date": ""}
    whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel, "buffers": []}
    of["socket"].send(json.dumps(whole))
    return message


def send_cell(kernel, code):
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    return send(kernel, "execute_request", content)


def request(kernel, kind, content, channel="shell", timeout=60, shows=0):
    """Sends a request; returns its reply and its messages on iopub.

    Some kernels print after they have said that they are idle: `shows` is how long to wait for that, in seconds.
    Where the server says that it starts the kernel again, as when a port was taken, the request is made anew: the
    server's own connections are to the old ports.
    """
    of = kernels[kernel]
    message = send(kernel, kind, content, channel)
    seen = {"reply": None, "idle": False, "output": []}
    end = time.monotonic() + timeout
    late = None
    while True:
        now = time.monotonic()
        if seen["reply"] and seen["idle"]:
            late = late or now + shows
            printed = any(output["kind"] != "execute_input" for output in seen["output"])
            if printed or now >= late or seen["reply"].get("status") != "ok":
                break
        left = (late or end) - now
        if left <= 0:
            raise TimeoutError(f"no answer in time: {seen}")
        # The server's ping every half minute restarts the time-out.
        of["socket"].settimeout(min(left, 5))
        try:
            answer = json.loads(of["socket"].recv())
        except websocket.WebSocketTimeoutException:
            continue
        said, told = answer["msg_type"], answer["content"]
        if said == "status" and told["execution_state"] == "restarting":
            connect(kernel)
            message, seen = send(kernel, kind, content, channel), {"reply": None, "idle": False, "output": []}
            continue
        # xeus sends `null` if there is none.
        if (answer.get("parent_header") or {}).get("msg_id") != message:
            continue
        if answer.get("channel") in ("shell", "control"):
            seen["reply"] = {**told, "of": said}
        elif said == "status":
            seen["idle"] |= told["execution_state"] == "idle"
        else:
            seen["output"].append({"kind": said, **told})
    return seen


def cell(code, kernel="one", timeout=60, shows=0, **_):
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    return request(kernel, "execute_request", content, timeout=timeout, shows=shows)


def interrupted(code, kernel="one", **_):
    """Executes a cell that prints something and sleeps, and interrupts it until it has ended.

    More than once if need be: Python loses a KeyboardInterrupt that comes in a callback.
    """
    of = kernels[kernel]
    sent = send_cell(kernel, code)
    end, again, error, idle, reply = time.monotonic() + 60, None, None, False, False
    while not (idle and reply):
        now = time.monotonic()
        if now > end:
            raise TimeoutError("the cell was interrupted and did not end")
        if again is not None and now >= again:
            interrupt(kernel)
            again = now + 5
        of["socket"].settimeout(0.5)
        try:
            answer = json.loads(of["socket"].recv())
        except websocket.WebSocketTimeoutException:
            continue
        if answer.get("parent_header", {}).get("msg_id") != sent:
            continue
        kind, content = answer["msg_type"], answer["content"]
        reply |= kind == "execute_reply"
        idle |= kind == "status" and content["execution_state"] == "idle"
        error = content["ename"] if kind == "error" else error
        if kind == "stream" and again is None:
            again = now
    return {"error": error}


def crowd(count, code, name="vaulted", wait=90, **_):
    """Starts that many kernels at once and runs a cell in each; returns the result of each, and removes them all."""
    body = {"name": name, "env": {"KERNEL_USERNAME": "ada"}}
    together = threading.Barrier(count)

    def one(kernel):
        together.wait()
        try:
            kernels[kernel] = {"id": rest("POST", "kernels", body)[1]["id"]}
            connect(kernel)
            return request(kernel, "execute_request", {"code": code, "silent": False}, timeout=wait)
        except Exception as cause:
            return {"failed": f"{type(cause).__name__}: {cause}"}

    names = [f"crowd-{number}" for number in range(count)]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        seen = list(pool.map(one, names))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = [kernels.pop(kernel)["id"] for kernel in names if kernel in kernels]
        list(pool.map(lambda id: rest("DELETE", f"kernels/{id}"), ids))
    return seen


def interrupt(kernel="one", **_):
    return {"status": rest("POST", f"kernels/{kernels[kernel]['id']}/interrupt", {})[0]}


def restart(kernel="one", **_):
    status, _ = rest("POST", f"kernels/{kernels[kernel]['id']}/restart", {})
    connect(kernel)
    settle(kernel)
    return {"status": status}


def settle(kernel):
    """Requests kernel_info until its messages arrive on iopub too.

    A gateway passes requests to a restarted kernel on before its own subscription has reached the kernel: what is
    said on iopub until then is lost.
    """
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            return request(kernel, "kernel_info_request", {}, timeout=3)
        except TimeoutError:
            pass
    return None


def delete(kernel="one", **_):
    status = rest("DELETE", f"kernels/{kernels[kernel]['id']}")[0]
    kernels.pop(kernel)["socket"].close()
    return {"status": status}


def start_cell(code, kernel="one", timeout=60, **_):
    """Sends a cell and waits for its first output."""
    of = kernels[kernel]
    send_cell(kernel, code)
    of["socket"].settimeout(5)
    end, said = time.monotonic() + timeout, None
    while said != "stream":
        if time.monotonic() > end:
            raise TimeoutError("the cell has printed nothing in time")
        try:
            said = json.loads(of["socket"].recv())["msg_type"]
        except websocket.WebSocketTimeoutException:
            pass
    return {}


def open_notebook(path, kernel="one", **_):
    body = {"path": path, "name": path.rsplit("/")[-1], "type": "notebook", "kernel": {"id": kernels[kernel]["id"]}}
    return {"id": rest("POST", "sessions", body)[1]["id"]}


def leave(kernel="one", **_):
    """Closes the connection; the kernel stays."""
    kernels[kernel].pop("socket").close()
    return {}


def activity(**_):
    """The last activity of the server and of its only kernel; the request itself does not count."""
    kernel = rest("GET", "kernels?no_track_activity=1")[1][0]
    status = rest("GET", "status?no_track_activity=1")[1]
    return {"kernel": kernel["last_activity"], "server": status["last_activity"], "connections": kernel["connections"]}


def running(**_):
    return {"kernels": rest("GET", "kernels")[1]}


serve(globals())

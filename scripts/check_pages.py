#!/usr/bin/env python3
"""Opens the pages of a search (tests/report/make_pages.c) in headless Chromium, at the sizes of a phone and of a desktop, light and dark.

    scripts/check_pages.py [SCREENSHOTS [BUILD]]

Nothing may reach the console or the network, no text may be executed or make the page wider than the screen; a click opens a node, keys move,
zoom and close, a pinch and a drag move the tree, the table sorts, and each policy names the hashes of the page's own scripts alone. Screenshots
go to the folder SCREENSHOTS, if one is given. BUILD is the build's folder, build/ without. Chromium is asked through its own DevTools protocol,
over a pipe. Exit status 1 if anything is wrong.
"""
import base64
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = {"phone": (360, 740), "desktop": (1400, 900)}
SECONDS = 30  # that an answer of the browser may take
DRAWN_MS = 3000  # until a page of 500 nodes is drawn


class Browser:
    """Headless Chromium with one page at a time."""

    def __init__(self, folder):
        program = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
        if not program:
            sys.exit("check_pages: there is no chromium (scripts/setup.sh --extra installs it)")
        commands, self.to = os.pipe()  # the browser reads its descriptor 3 and writes 4
        self.back, answers = os.pipe()
        high = [os.dup2(end, number) for end, number in ((commands, 103), (answers, 104))]
        shell = 'exec "$@" 3<&103 4>&104 103<&- 104>&-'  # the shell moves them without a thread of ours
        words = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}/profile",
                 "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
        self.process = subprocess.Popen(["bash", "-c", shell, "bash", *words], pass_fds=high, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (commands, answers, *high):
            os.close(end)
        self.rest, self.next, self.session = b"", 0, None
        self.events, self.target = [], None

    def read(self, until):
        """The next message."""
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.back], [], [], max(0, until - time.monotonic()))
            piece = os.read(self.back, 1 << 20) if ready else b""
            if not piece:
                sys.exit("check_pages: chromium ended or does not answer")
            self.rest += piece
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def send(self, method, parameters, session):
        """Sends a command; returns its number."""
        self.next += 1
        message = {"id": self.next, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        return self.next

    def ask(self, method, whole=False, **parameters):
        """A command's result; events on the way are kept."""
        number = self.send(method, parameters, None if whole else self.session)
        until = time.monotonic() + SECONDS
        while True:
            answer = self.read(until)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)
            if answer.get("method") == "Page.javascriptDialogOpening":  # the page waits until it is closed
                self.send("Page.handleJavaScriptDialog", {"accept": False}, self.session)

    def open(self, path, size, dark):
        """A page in a tab of its own."""
        self.close_page()
        self.events = []
        self.target = self.ask("Target.createTarget", whole=True, url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", whole=True, targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")
        width, height = SIZES[size]
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if size == "phone" else 1,
                 mobile=size == "phone")
        if size == "phone":
            self.ask("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                         {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.ask("Page.navigate", url=path.as_uri())
        until = time.monotonic() + SECONDS
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read(until))
        self.frame()

    def close_page(self):
        if self.target:
            self.session = None
            self.ask("Target.closeTarget", whole=True, targetId=self.target)
            self.target = None

    def value(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def frame(self):
        """Waits until what was done is drawn."""
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def key(self, key, text=None):
        extra = {"text": text} if text else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **extra)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)
        self.frame()

    def press(self, x, y, touch):
        """A click, or a tap."""
        if touch:
            self.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
            self.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        else:
            for kind in ("mousePressed", "mouseReleased"):
                self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.frame()

    def touch(self, kind, *points):
        self.ask("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)])

    def screenshot(self, folder, name):
        if folder:
            data = self.ask("Page.captureScreenshot", format="png")["data"]
            (folder / f"{name}.png").write_bytes(base64.b64decode(data))

    def close(self):
        try:
            self.close_page()
            self.ask("Browser.close", whole=True)
            self.process.wait(SECONDS)
        except (RuntimeError, SystemExit, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


class Check:
    def __init__(self, browser, shots):
        self.browser, self.shots, self.problems, self.passed, self.where = browser, shots, [], 0, ""

    def that(self, holds, what):
        if holds:
            self.passed += 1
        else:
            self.problems.append(f"{self.where}: {what}")

    def quiet(self, path):
        """Nothing in console or network but the page itself, nothing executed."""
        self.browser.frame()
        for event in self.browser.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening"):
                self.that(False, f"{method} {json.dumps(parameters)[:400]}")
            elif method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                self.that(url == path.as_uri() or url == "data:,", f"a request to {url[:200]}")
        self.that(self.browser.value("window.__hit === undefined"), "a text was executed")
        self.that(self.browser.value("document.scripts.length") == self.browser.value("[...document.scripts].filter(s => s.parentElement === "
                                     "document.body).length"), "a script that is not the page's own")
        self.that(not self.browser.value("document.querySelector('img, iframe, object, embed, form, [onload], [onerror], [onfocus]')"),
                  "an element out of a text")

    def narrow(self):
        wide = self.browser.value("[document.documentElement.scrollWidth, document.body.scrollWidth, window.innerWidth]")
        self.that(max(wide[:2]) <= wide[2], f"the page is wider than the screen: {wide}")

    def contrast(self):
        """All texts have a contrast of 4.5 to what is behind them (WCAG 2.2, 1.4.3)."""
        low = self.browser.value("""(() => {
            const parts = colour => colour.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
            const behind = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
                if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
            const low = [];
            for (const e of document.body.querySelectorAll('*')) {
                if (!e.checkVisibility() || e.closest('svg, script') || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
                    continue;
                const a = light(parts(getComputedStyle(e).color)), b = light(behind(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (!(ratio >= 4.5)) low.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
            }
            return low.join('; ');
        })()""")
        self.that(low == "", f"texts of low contrast: {low}")

    def policy(self, path):
        """The hashes in the policy are those of the scripts and style sheets in the file, each of them."""
        text = path.read_text(encoding="utf-8")
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
        for tag, name in (("script", "script-src"), ("style", "style-src")):
            found = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)]
            named = re.findall(r"'sha256-([^']+)'", re.search(name + "([^;]*)", policy).group(1))
            self.that(found and found == named, f"{name} names {named}, the page has {found}")
        self.that("unsafe" not in policy and "default-src 'none'" in policy, f"policy: {policy}")


def centre(browser, node):
    return browser.value(f"(() => {{ const b = nodes[{node}].element.querySelector('.shape').getBoundingClientRect(); "
                         "return [b.x + b.width / 2, b.y + b.height / 2]; })()")


def check_tree(check, path, size, dark):
    browser, phone, name = check.browser, size == "phone", f"{path.stem}-{size}-{'dark' if dark else 'light'}"
    check.where = name
    browser.open(path, size, dark)
    ready = browser.value("performance.getEntriesByType('navigation')[0].loadEventEnd")
    check.that(ready < DRAWN_MS, f"drawn after {ready:.0f} ms")
    count = browser.value("nodes.length")
    check.that(browser.value("document.querySelectorAll('#chart .node[role=treeitem]').length") == count, "a node is not drawn")
    check.narrow()
    browser.screenshot(check.shots, name)

    # A click on the root opens it; its text is the data's.
    browser.press(*centre(browser, 0), phone)
    check.that(browser.value("!panel.hidden && opened === nodes[0]"), "a press on the root does not open it")
    check.that(browser.value("panel.querySelector('.bubble').textContent === visible(nodes[0].reply)"), "the panel has another text")
    check.narrow()
    if count > 1:
        # Right to a child, down or up beside it, left back; the panel goes along.
        browser.key("ArrowRight")
        check.that(browser.value("chosen.parent === nodes[0] && document.activeElement === chosen.element && opened === chosen"), "ArrowRight")
        browser.screenshot(check.shots, name + "-panel")
        check.contrast()
        there = browser.value("chosen.index")
        last = browser.value("columns[1].indexOf(chosen) === columns[1].length - 1")
        browser.key("ArrowUp" if last else "ArrowDown")
        check.that(browser.value(f"chosen.index !== {there} && chosen.parent === nodes[0]"), "ArrowDown")
        browser.key("ArrowLeft")
        check.that(browser.value("chosen === nodes[0]"), "ArrowLeft")
    browser.key("Escape")
    check.that(browser.value("panel.hidden && document.activeElement === nodes[0].element"), "Escape does not close the panel")
    browser.key("Enter")
    check.that(browser.value("!panel.hidden && panel.contains(document.activeElement)"), "Enter does not open the panel")
    browser.key("Escape")

    # Every node's panel, with all its texts.
    check.that(browser.value("nodes.every(node => { openPanel(node, false); return !node.generated || !node.answer || "
                             "panel.textContent.includes(visible(node.answer)); })"), "a panel without its node's text")
    check.narrow()
    browser.value("closePanel()")
    browser.frame()
    zoom(check, phone)
    paths(check, name, size)
    check.quiet(path)


def zoom(check, phone):
    browser = check.browser
    before = browser.value("view.scale")
    browser.key("+", "+")
    check.that(browser.value("view.scale") > before or before >= 3, "+ does not zoom in")
    browser.key("-", "-")
    check.that(abs(browser.value("view.scale") - before) < 0.01 or before >= 2.4, "- does not zoom out")
    browser.key("0", "0")
    check.that(browser.value("(() => { const c = chart.getBoundingClientRect(); return nodes.filter(n => n.element).every(n => { const b = "
                             "n.element.querySelector('.shape').getBoundingClientRect(); return b.left >= c.left && b.right <= c.right && "
                             "b.top >= c.top && b.bottom <= c.bottom; }); })()"), "0 does not show the whole tree")
    x, y = browser.value("(() => { const b = chart.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height - 20]; })()")
    at = browser.value("[view.x, view.y, view.scale]")
    if phone:
        browser.touch("touchStart", (x, y))
        for step in (10, 20, 30):
            browser.touch("touchMove", (x + step, y))
        browser.touch("touchEnd")
        browser.frame()
        check.that(browser.value("view.x") > at[0] + 15, "a finger does not drag")
        browser.touch("touchStart", (x - 20, y - 60), (x + 20, y - 60))
        for step in (15, 30, 45):
            browser.touch("touchMove", (x - 20 - step, y - 60), (x + 20 + step, y - 60))
        browser.touch("touchEnd")
        browser.frame()
        check.that(browser.value("view.scale") > at[2] * 1.5 or at[2] > 1.2, "two fingers do not zoom")
    else:
        for kind, to in (("mousePressed", 0), ("mouseMoved", 20), ("mouseMoved", 40), ("mouseReleased", 40)):
            browser.ask("Input.dispatchMouseEvent", type=kind, x=x + to, y=y, button="left", buttons=1, clickCount=1)
        browser.frame()
        check.that(abs(browser.value("view.x") - at[0] - 40) < 1, "the mouse does not drag")
        browser.ask("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-120)
        browser.frame()
        check.that(browser.value("view.scale") > at[2], "the wheel does not zoom")
    lazy = browser.value("nodes.filter(n => !n.generated).length")
    browser.value("lazyBox.click()")
    check.that(browser.value("nodes.length - document.querySelectorAll('#chart .node[role=treeitem]').length") == lazy, "nodes that are not "
               "generated cannot be hidden")
    browser.value("lazyBox.click()")


def paths(check, name, size):
    browser = check.browser
    browser.value("document.getElementById('tab-paths').click()")
    check.that(browser.value("document.getElementById('view-tree').hidden && !document.getElementById('view-paths').hidden"), "no list of paths")
    check.that(browser.value("document.querySelectorAll('.path').length === data.ended"), "a path is missing")
    browser.screenshot(check.shots, name + "-paths")
    browser.value("document.querySelectorAll('.path').forEach(p => { p.open = true; p.fill(); p.querySelectorAll('details').forEach(d => "
                  "{ d.open = true; }); })")
    check.narrow()
    check.that(browser.value("[...document.querySelectorAll('#view-paths, #view-paths *')].every(e => e.getBoundingClientRect().right <= "
                             "window.innerWidth + 0.5)"), "a text is wider than the screen")
    browser.frame()
    browser.screenshot(check.shots, name + "-paths-open")
    check.contrast()
    if browser.value("document.querySelectorAll('.show').length"):
        browser.value("document.querySelector('.show').click()")
        check.that(browser.value("!document.getElementById('view-tree').hidden && chosen.ended"), "a path does not lead to the tree")


def check_index(check, path, size, dark):
    browser, name = check.browser, f"{path.stem}-{size}-{'dark' if dark else 'light'}"
    check.where = name
    browser.open(path, size, dark)
    check.narrow()
    check.that(browser.value("[...document.querySelectorAll('table *')].every(e => e.scrollWidth <= e.clientWidth + 1 || e.tagName === 'SPAN' || "
                             "getComputedStyle(e).display === 'inline' || getComputedStyle(e).display.startsWith('table')) && [...document."
                             "querySelectorAll('.state')].every(e => e.getBoundingClientRect().right <= e.closest('tr').getBoundingClientRect()"
                             ".right - 8)"), "a cell's text runs out of it")
    browser.screenshot(check.shots, name)
    rows = browser.value("document.querySelector('tbody').rows.length")
    check.that(rows == 30, f"{rows} rows")
    if size == "phone":
        browser.value("(() => { const s = document.querySelector('select'); s.value = '10'; s.dispatchEvent(new Event('change')); })()")
    else:
        x, y = browser.value("(() => { const b = heads[10].querySelector('button').getBoundingClientRect(); return [b.x + 5, b.y + 5]; })()")
        browser.press(x, y, False)
    order = browser.value("[...document.querySelector('tbody').rows].map(r => r.cells[10].dataset.value).map(v => v === '' ? -1e9 : Number(v))")
    check.that(order == sorted(order, reverse=True), f"not sorted by best Q: {order}")
    check.that(browser.value("heads[10].getAttribute('aria-sort') === 'descending'"), "the sorted column is not announced")
    check.that(browser.value("[...document.querySelectorAll('tbody a')].every(a => /^\\d{6}\\.html$/.test(a.getAttribute('href')))"), "a link elsewhere")
    browser.screenshot(check.shots, name + "-sorted")
    check.contrast()
    check.quiet(path)


def check_print(check, path):
    """The page on paper: a tree and dialogues, of no more pages than these need."""
    check.where = f"{path.stem}-print"
    check.browser.open(path, "desktop", False)
    pdf = base64.b64decode(check.browser.ask("Page.printToPDF", printBackground=True)["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    check.that(1 <= pages <= 40, f"{pages} pages")
    if check.shots:
        (check.shots / f"{path.stem}.pdf").write_bytes(pdf)
    check.quiet(path)


def main():
    if len(sys.argv) > 3:
        sys.exit("usage: scripts/check_pages.py [SCREENSHOTS [BUILD]]")
    shots = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
    build = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "build"
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([build / "tests" / "make_pages", folder], check=True)
        pages = pathlib.Path(folder)
        browser = Browser(folder)
        try:
            check = Check(browser, shots)
            for path in sorted(pages.glob("*.html")):
                check.where = path.stem
                check.policy(path)
                for size in SIZES:
                    for dark in (False, True):
                        try:
                            (check_index if "index" in path.stem else check_tree)(check, path, size, dark)
                        except RuntimeError as error:  # a script of the page failed
                            check.that(False, str(error)[:400])
                            check.quiet(path)
            for name in ("000001", "index"):
                check_print(check, pages / f"{name}.html")
        finally:
            browser.close()
    for problem in check.problems:
        print(f"check_pages: {problem}", file=sys.stderr)
    print(f"check_pages: {check.passed} checks passed, {len(check.problems)} failed, {time.monotonic() - began:.0f} s")
    sys.exit(1 if check.problems else 0)


if __name__ == "__main__":
    main()

// A tab of the browser, and the rules that every page of the console keeps.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The source of axe-core. */
const AXE = readFileSync(process.env.AXE, "utf8");
/** Directory for screenshots; none are taken without it. */
const shots = process.argv[2] === "--shots" ? process.argv[3] : undefined;

/** A tab, and the errors that it reports. */
export class Tab {
  complaints = [];

  static async open(browser) {
    const tab = new Tab();
    tab.browser = browser;
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    tab.session = (await browser.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    browser.on(({ method, params, sessionId }) => {
      if (sessionId !== tab.session) return;
      if (method === "Log.entryAdded") tab.#complain(params.entry);
      if (method === "Runtime.exceptionThrown") tab.complaints.push(params.exceptionDetails.text);
      if (method === "Runtime.consoleAPICalled") tab.complaints.push(JSON.stringify(params.args));
      if (method === "Network.responseReceived" && params.type === "Document") tab.status = params.response.status;
    });
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await tab.send(`${domain}.enable`);
    return tab;
  }

  /** Records errors. A blocked source is one; an error status that a test expects is not. */
  #complain(entry) {
    if (!/Failed to load resource: the server responded with a status of (400|403|404|409|503)/.test(entry.text)) {
      this.complaints.push(`${entry.source}: ${entry.text} ${entry.url ?? ""}`);
    }
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  async #loaded(act) {
    const loaded = this.browser.once("Page.loadEventFired", this.session);
    await act();
    await loaded;
  }

  goto(url) {
    return this.#loaded(() => this.send("Page.navigate", { url }));
  }

  /** Evaluates an expression in the page. With `leaves`, waits for the next page. */
  async evaluate(expression, leaves = false) {
    let value;
    const act = async () => {
      const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, returnByValue: true });
      assert.equal(exceptionDetails, undefined, `${expression}: ${JSON.stringify(exceptionDetails)}`);
      value = result.value;
    };
    await (leaves ? this.#loaded(act) : act());
    return value;
  }

  async look(width, scheme) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  async shot(name) {
    if (!shots) return;
    const { cssContentSize } = await this.send("Page.getLayoutMetrics");
    const height = Math.min(Math.ceil(cssContentSize.height), 2400);
    const clip = { x: 0, y: 0, width: cssContentSize.width, height, scale: 1 };
    const { data } = await this.send("Page.captureScreenshot", { format: "png", clip, captureBeyondViewport: true });
    writeFileSync(join(shots, `${name}.png`), Buffer.from(data, "base64"));
  }

  /** Clicks on the first element with this selector, which leads to another page. */
  async click(selector) {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`, true);
  }

  /** Fills in a form and sends it with its button. */
  async submit(form, fields = {}) {
    const fill = Object.entries(fields).map(([name, value]) => `form.elements[${JSON.stringify(name)}].value = ${JSON.stringify(value)};`);
    await this.evaluate(`{ const form = document.querySelector(${JSON.stringify(form)}); ${fill.join(" ")} form.querySelector("button").click(); }`, true);
  }

  /** Returns the text of the page. */
  text() {
    return this.evaluate("document.body.innerText");
  }
}

/** Checks the rules for every page in every size and colour scheme. */
const EXAMINE = `(() => {
  const root = document.documentElement;
  const wide = [...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll, pre, .hidden, svg") && e.checkVisibility() && e.getBoundingClientRect().right > root.clientWidth + 1);
  return {
    title: document.title,
    overflow: root.scrollWidth - root.clientWidth,
    wide: wide.slice(0, 3).map((e) => e.tagName + "." + e.className),
    scripts: document.scripts.length,
    inline: document.querySelectorAll("body [style], body style, [onclick], [onload]").length,
    headings: document.querySelectorAll("h1").length,
    main: document.querySelectorAll("main").length,
    unnamed: [...document.querySelectorAll("table")].filter((t) => !t.caption).length
      + [...document.querySelectorAll("svg[role=img]")].filter((s) => !s.querySelector("title") || !s.querySelector("desc")).length
      + [...document.querySelectorAll("input:not([type=hidden], [hidden])")].filter((i) => !i.labels.length).length
      + [...document.querySelectorAll("a, button")].filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label"))).length,
    duplicates: (ids => ids.length - new Set(ids).size)([...document.querySelectorAll("[id]")].map((e) => e.id)),
    contrast: (${contrast})(),
    styled: getComputedStyle(document.body).margin === "0px",
  };
})()`;

/** Returns the lowest contrast of a text with its background (WCAG 2.2, 1.4.3), and its element. */
function contrast() {
  const rgba = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  let worst = { ratio: 21 };
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest("svg, .hidden, .skip")) continue;
    let behind = element;
    let ground;
    do {
      ground = rgba(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    } while (ground[3] === 0 && behind);
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst.ratio) worst = { ratio, where: `${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}` };
  }
  return worst;
}

/** Fails if a page breaks one of the rules. With `axe`, also if axe-core finds a fault that is serious or critical. */
export async function examine(tab, path, axe = false) {
  const page = await tab.evaluate(EXAMINE);
  const where = `${path}: ${JSON.stringify(page)}`;
  assert.ok(page.title.endsWith(" · callsign"), where);
  assert.ok(page.overflow <= 0 && page.wide.length === 0, `wider than the window: ${where}`);
  assert.deepEqual([page.scripts, page.inline, page.unnamed, page.duplicates], [0, 0, 0, 0], where);
  assert.deepEqual([page.headings, page.main, page.styled], [1, 1, true], where);
  assert.ok(page.contrast.ratio >= 4.5, `too little contrast: ${where}`);
  if (axe) {
    const run = `${AXE}; axe.run(document, { resultTypes: ["violations"] }).then((found) => JSON.stringify(found.violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, impact, nodes }) => [id, impact, nodes.length, nodes[0].html.slice(0, 200)])))`;
    const { result, exceptionDetails } = await tab.send("Runtime.evaluate", { expression: run, awaitPromise: true, returnByValue: true });
    assert.equal(exceptionDetails, undefined, `${path}: ${JSON.stringify(exceptionDetails)}`);
    assert.deepEqual(JSON.parse(result.value), [], `axe-core: ${path}`);
  }
  assert.deepEqual(tab.complaints, [], path);
}


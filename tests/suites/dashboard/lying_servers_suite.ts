/**
 * The dashboard and its page with servers that lie.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import type { Page } from "playwright-core";
import { Dashboard } from "../../../dashboard/server/dashboard.ts";
import { formatAddress } from "../../../lib/wire/address.ts";
import { Process } from "../../../bench/process.ts";
import { anyPort } from "../../support/ports.ts";
import { eventually } from "../../support/waiting.ts";
import { launchChromium } from "./browser.ts";
import { type Lie, lies } from "./liar.ts";

/** How long each flood lasts. */
const floodMs = 6_000;
/** How often the dashboard and its page are asked meanwhile. */
const samples = 6;

/** Memory that a flood may cost the dashboard's process: three frames of 8 MiB are parsed at once. */
const growthBytesMax = 400 * 1024 * 1024;
/** Elements, and characters, of the page. The tables and lists have fewer. */
const nodesMax = 2_000;
const shownCharsMax = 60_000;
/** The page's objects: 20,000 items and their keyframes. */
const heapBytesMax = 250_000_000;
/** An answer of the dashboard, and a turn of the page, on a machine that is busy with other work. */
const answerMsMax = 8_000;

for (const lie of lies) {
  Deno.test(`servers that lie keep neither the dashboard nor its page from working: ${lie}`, async () => {
    await using stack = new AsyncDisposableStack();
    const servers = await Promise.all([1, 2, 3].map(() => startLiar(stack, lie)));
    const dashboard = stack.use(new Dashboard({ listen: anyPort, servers }));
    const url = `http://${formatAddress(dashboard.address)}`;
    const browser = await launchChromium(stack, "--enable-precise-memory-info");
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    const before = Deno.memoryUsage().rss;
    await page.goto(url);
    await page.locator('#connection[data-up="true"]').waitFor();
    let worst = { rss: 0, answerMs: 0, pageMs: 0, nodes: 0, chars: 0, heap: 0 };
    for (let n = 0; n < samples; n++) {
      const { nodes, chars, heap, ms: pageMs } = await sampleOf(page);
      const answerMs = await timeOf(async () => void await (await fetch(url)).text());
      const now = { rss: Deno.memoryUsage().rss - before, answerMs, pageMs, nodes, chars, heap };
      worst = mostOf(worst, now);
      await page.waitForTimeout(floodMs / samples);
    }
    assertEquals(errors, []);
    assertLess(worst.rss, growthBytesMax);
    assertLess(worst.answerMs, answerMsMax);
    assertLess(worst.pageMs, answerMsMax);
    assertLess(worst.nodes, nodesMax);
    assertLess(worst.chars, shownCharsMax);
    assertLess(worst.heap, heapBytesMax);
    const text = (await page.locator("body").textContent())!;
    assert(!/NaN|Infinity|undefined/.test(text), text);
    // deno-lint-ignore no-control-regex -- what must not be there
    assert(!/[\u0000-\u0008\u000e-\u001f\u200b\u202e]/.test(text), "a control or format character");
    assertEquals(await page.locator("img").count(), 0);
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assertEquals(overflow, 0, "something is wider than the page");
    const says = lie === "refusals" ? "fora do ar: " : "o painel lê devagar";
    await page.locator("#columns").getByText(says).first().waitFor();
  });
}

async function startLiar(stack: AsyncDisposableStack, lie: Lie) {
  const script = new URL("liar.ts", import.meta.url).href;
  const process = Process.deno(["run", "--no-prompt", "--allow-net", script, lie], { out: "keep" });
  stack.defer(() => process.kill());
  await eventually("the server prints its port", () => process.screen.includes("\n"));
  return { hostname: "127.0.0.1", port: Number(process.screen) };
}

/** What the page holds, and how long its next turn takes to come. */
async function sampleOf(page: Page) {
  const started = performance.now();
  const [nodes, chars, heap] = await page.evaluate(
    `new Promise((resolve) => setTimeout(() => resolve([
    document.querySelectorAll("*").length,
    document.body.textContent.length,
    performance.memory.usedJSHeapSize,
  ])))`,
  ) as [number, number, number];
  return { nodes, chars, heap, ms: performance.now() - started };
}

async function timeOf(action: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}

function mostOf<T extends Record<string, number>>(one: T, other: T): T {
  const entries = Object.entries(one).map((
    [name, n],
  ) => [name, Math.round(Math.max(n, other[name]!))]);
  return Object.fromEntries(entries) as T;
}

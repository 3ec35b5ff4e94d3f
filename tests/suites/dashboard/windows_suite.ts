/**
 * Many windows of the page in one browser, and windows that other sites open.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { BrowserContext, Page } from "playwright-core";
import { browsersMax, streamsPerBrowserMax } from "../../../dashboard/page/limits.js";
import { Dashboard } from "../../../dashboard/server/dashboard.ts";
import { formatAddress } from "../../../lib/wire/address.ts";
import { anyPort } from "../../support/ports.ts";
import { startSilentServer } from "../../support/silent_server.ts";
import { eventually } from "../../support/waiting.ts";
import { launchChromium } from "./browser.ts";

/** More than all places for streams, and than the connections of a browser to one site. */
const windows = browsersMax + 8;

/** A dashboard with one server, and a browser. */
async function open(stack: AsyncDisposableStack) {
  const tuning = { clusterSize: 1, minInSync: 1 };
  const server = stack.use(startSilentServer({ listen: anyPort, tuning }));
  const dashboard = stack.use(new Dashboard({ listen: anyPort, servers: [server.address] }));
  const browser = await launchChromium(stack, "--disable-popup-blocking");
  const context = await browser.newContext();
  return { dashboard, context, url: `http://${formatAddress(dashboard.address)}` };
}

async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

const isLive = (page: Page) => page.locator('#connection[data-up="true"]').waitFor();
const waits = (page: Page) => page.getByText("parado: clique ou aperte uma tecla").waitFor();

/** Sends a PUT with the form of a page, and waits until the pages show the value. */
async function putShowsOn(pages: readonly Page[], value: string): Promise<void> {
  const [sender] = pages;
  await sender!.locator("#value").fill(value);
  await sender!.locator("#put").click();
  await sender!.locator("#answer").getByText("PUT_OK").waitFor();
  for (const page of pages) await page.locator("#rows").getByText(value).waitFor();
}

Deno.test("a page that is used stays live, whatever number of windows another site opens", async () => {
  await using stack = new AsyncDisposableStack();
  const { dashboard, context, url } = await open(stack);
  const teacher = await openPage(context, url);
  await isLive(teacher);
  await putShowsOn([teacher], "antes");

  // `localhost` is another site than 127.0.0.1.
  const html = { headers: { "content-type": "text/html" } };
  const site = Deno.serve({ ...anyPort, onListen: () => {} }, () => new Response("<p>x", html));
  stack.defer(() => site.shutdown());
  const evil = await openPage(context, `http://localhost:${site.addr.port}/`);
  await evil.evaluate(`
    for (let n = 0; n < ${windows}; n++) window.open(${
    JSON.stringify(url)
  } + (n % 4 === 0 ? "/events" : "/"));
    const frame = document.createElement("iframe");
    frame.src = ${JSON.stringify(url)};
    document.body.append(frame);
    new EventSource(${JSON.stringify(`${url}/events`)});
    fetch(${JSON.stringify(`${url}/events`)}, { mode: "no-cors" }).catch(() => {});
  `);
  await eventually("the windows are open", () => context.pages().length === windows + 2);
  const opened = context.pages().slice(2);
  const waiting = opened.filter((page) => page.url() === `${url}/`);
  for (const page of waiting.slice(-3)) await waits(page);
  assertEquals(dashboard.feed.browsers, 1, "only the teacher's");
  await putShowsOn([teacher], "depois");

  await waiting[0]!.locator("h1").click();
  await isLive(waiting[0]!);
  await putShowsOn([teacher, waiting[0]!], "ambas");
});

Deno.test("windows of one browser share places: those that are used have them", async () => {
  await using stack = new AsyncDisposableStack();
  const { dashboard, context, url } = await open(stack);
  const pages: Page[] = [];
  for (let n = 0; n < streamsPerBrowserMax + 4; n++) pages.push(await openPage(context, url));
  for (const [n, page] of pages.entries()) await (n < streamsPerBrowserMax ? isLive : waits)(page);
  assertLessOrEqual(dashboard.feed.browsers, streamsPerBrowserMax);

  const last = pages.at(-1)!;
  await last.locator("h1").click();
  await isLive(last);
  await putShowsOn([last, pages[0]!], "azul");
  await eventually(
    "one has given its place",
    () => dashboard.feed.browsers === streamsPerBrowserMax,
  );
  await waits(pages[streamsPerBrowserMax - 1]!);
});

Deno.test("a hidden page gives its stream back, and is live again when it is seen", async () => {
  await using stack = new AsyncDisposableStack();
  const { dashboard, context, url } = await open(stack);
  const page = await context.newPage();
  await page.clock.install();
  await page.goto(url);
  await page.clock.runFor(1_000);
  await isLive(page);
  const hide = (hidden: boolean) =>
    page.evaluate(`
      Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    `);
  await hide(true);
  await page.clock.runFor(5_000);
  assertEquals(dashboard.feed.browsers, 1, "after a short look elsewhere");
  await page.clock.runFor(60_000);
  await eventually("the stream ends", () => dashboard.feed.browsers === 0);
  assertEquals(
    await page.locator("#connection").textContent(),
    "parado enquanto a página está oculta",
  );
  await hide(false);
  await page.clock.runFor(1_000);
  await isLive(page);
});

Deno.test("a page whose place the dashboard gives away says so, and comes back when it is used", async () => {
  await using stack = new AsyncDisposableStack();
  const { dashboard, context, url } = await open(stack);
  const page = await openPage(context, url);
  await isLive(page);
  // Other programs at the same address.
  const others = Array.from({ length: browsersMax }, () => dashboard.feed.subscribe("127.0.0.1"));
  await waits(page);
  await page.keyboard.press("Tab");
  await isLive(page);
  assertEquals(dashboard.feed.browsers, browsersMax);
  assert(others.length === browsersMax);
});

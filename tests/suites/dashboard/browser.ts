/**
 * The dashboard's page in a real Chromium, with three servers.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import axe from "axe-core";
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { Dashboard } from "../../../dashboard/server/dashboard.ts";
import { LocalServers } from "../../../dashboard/stories/local_servers.ts";
import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import type { KvServer } from "../../../lib/server/kv_server.ts";
import { anyPort } from "../../support/ports.ts";
import { startSilentServer } from "../../support/silent_server.ts";

/** The time of a step of a story: less than people need to read it. */
const quickStepMs = 700;

const executablePath = "/usr/bin/chromium";

const chromiumFlags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Checks that Chromium is installed.
 *
 * @throws {Error} if it is missing. The message says how to install it.
 */
async function requireChromium(): Promise<void> {
  try {
    await Deno.stat(executablePath);
  } catch (cause) {
    throw new Error(
      `${executablePath} is missing: "apt-get update && apt-get install -y chromium" installs it`,
      { cause },
    );
  }
}

/** Starts Chromium, with more flags. The stack closes it. */
export async function launchChromium(
  stack: AsyncDisposableStack,
  ...flags: readonly string[]
): Promise<Browser> {
  await requireChromium();
  const browser = await chromium.launch({ executablePath, args: [...chromiumFlags, ...flags] });
  stack.defer(() => browser.close());
  return browser;
}

/** The page, the dashboard and the servers of one test. */
export class Scene implements AsyncDisposable {
  /** "ip:port" of the servers, the leader first. */
  readonly servers: readonly string[];
  readonly #stack: AsyncDisposableStack;
  readonly #local: LocalServers;
  /** Errors and warnings of the page, and requests to other sites. */
  readonly complaints: string[] = [];

  private constructor(
    readonly page: Page,
    readonly url: string,
    local: LocalServers,
    stack: AsyncDisposableStack,
  ) {
    this.#local = local;
    this.servers = local.addresses.map(formatAddress);
    this.#stack = stack;
  }

  /**
   * Opens the page, and waits until it shows three servers in sync. Port 0 is a free one. With
   * quick steps of a story some messages are not drawn. With `control` the dashboard may stop servers.
   */
  static async open(
    options: BrowserContextOptions = {},
    ports: readonly [number, number, number] = [0, 0, 0],
    { stepMs = quickStepMs, control = false } = {},
  ): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const local = stack.use(new LocalServers(startServer));
    const servers = ports.map((port) => local.add({ ...anyPort, port }));
    await Promise.all(servers.map(({ ready }) => ready));
    const dashboard = stack.use(
      new Dashboard({
        ...{ listen: anyPort, servers: local.addresses, demoStepMs: stepMs },
        ...(control ? { control: local } : {}),
      }),
    );
    const browser = await launchChromium(stack);
    const page = await browser.newPage({
      viewport: { width: 1280, height: 900 },
      colorScheme: "light",
      locale: "pt-BR",
      ...options,
    });
    const url = `http://${formatAddress(dashboard.address)}`;
    const scene = new Scene(page, url, local, stack.move());
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) scene.complaints.push(message.text());
    });
    page.on("pageerror", ({ message }) => scene.complaints.push(message));
    page.on("request", (request) => {
      const address = request.url();
      if (!address.startsWith(url) && !address.startsWith("data:")) {
        scene.complaints.push(`requests ${address}`);
      }
    });
    await page.goto(url);
    await page.getByText("✓ em dia").nth(2).waitFor();
    return scene;
  }

  /** Stops a server. */
  async stop(index: number): Promise<void> {
    await this.#local.stop(this.servers[index]!);
  }

  /** The table's cell for a key and a server. */
  cell(key: string, server: number): Locator {
    return this.page.locator(`td[data-key="${key}"][data-server="${this.servers[server]}"]`);
  }

  /** Waits until the cells of a key contain these texts, one for each server. */
  async cellsSay(key: string, ...texts: readonly string[]): Promise<void> {
    for (const [server, text] of texts.entries()) {
      await this.cell(key, server).getByText(text).waitFor();
    }
  }

  /** The `data-is` of the cells of a key, one for each server. */
  async cellsAre(key: string): Promise<(string | null)[]> {
    const servers = this.servers.keys();
    return await Promise.all(
      Array.from(servers, (server) => this.cell(key, server).getAttribute("data-is")),
    );
  }

  /** Sends a PUT to the leader with the page's form. */
  async put(key: string, value: string): Promise<void> {
    await this.page.locator("#key").fill(key);
    await this.page.locator("#value").fill(value);
    await this.page.locator("#server").selectOption(this.servers[0]!);
    await this.page.locator("#put").click();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    assertEquals(this.complaints, []);
  }
}

function startServer(listen: Address, leader: Address | undefined): KvServer {
  return startSilentServer({ listen, ...(leader === undefined ? {} : { leader }) });
}

/** The text of a file that the page saves after a click. */
export async function saved(page: Page, button: Locator): Promise<{ name: string; text: string }> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    button.click(),
  ]);
  const stream = await download.createReadStream();
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return {
    name: download.suggestedFilename(),
    text: await new Blob(chunks.map((chunk) => chunk.slice())).text(),
  };
}

/** The problems that axe finds, each with the elements that have it. */
export async function problemsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
  return violations.map(({ id, nodes }) =>
    `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`
  );
}

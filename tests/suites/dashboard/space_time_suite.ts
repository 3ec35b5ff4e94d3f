/**
 * The space-time diagram, and the picture of it that can be saved.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { portsDefault } from "../../../lib/limits.ts";
import { eventually } from "../../support/waiting.ts";
import { problemsOf, saved, Scene } from "./browser.ts";

const screenshots = Deno.args.includes("--screenshots");

const labels = (page: Page) => page.locator("#spacetime .label").allTextContents();

/** Chooses the view, and runs the demonstration to its end. Returns the text of its last step. */
async function showDemonstration({ page }: Scene): Promise<string> {
  await page.locator("#view-spacetime").click();
  await page.locator("#demo").click();
  const done = (await page.locator('#demo-steps [data-step="done"]').textContent())!;
  await page.locator("#spacetime").getByText(done).waitFor();
  return done;
}

/** The labels that lie on the column heads, and the pairs of texts that lie on each other. */
const overlaps = `
  (() => {
    const root = document.querySelector("#spacetime");
    root.scrollTop = 0;
    const heads = root.querySelector(".heads").getBoundingClientRect();
    const texts = [...root.querySelectorAll("text:not(.title, .role, :empty)")]
      .map((one) => ({ text: one.textContent, box: one.getBoundingClientRect() }));
    const meet = (a, b) => a.left < b.right && b.left < a.right &&
      a.top + 1 < b.bottom - 1 && b.top + 1 < a.bottom - 1;
    return [
      ...texts.filter(({ box }) => box.top < heads.bottom).map(({ text }) => text),
      ...texts.flatMap((one, index) =>
        texts.slice(index + 1).filter(({ box }) => meet(one.box, box))
          .map(({ text }) => one.text + " and " + text)
      ),
    ];
  })()
`;

/** What an SVG file consists of, as a browser reads it. */
interface Picture {
  readonly title: string;
  readonly texts: readonly string[];
  /** The names of its elements. */
  readonly elements: readonly string[];
  /** The names of their attributes. */
  readonly attributes: readonly string[];
  /** Texts without a colour of their own. */
  readonly colourless: readonly string[];
}

const readPicture = `
  (source) => {
    const { documentElement } = new DOMParser().parseFromString(source, "image/svg+xml");
    const all = [documentElement, ...documentElement.querySelectorAll("*")];
    const texts = all.filter(({ localName }) => localName === "text");
    return {
      title: documentElement.firstElementChild.textContent,
      texts: texts.map(({ textContent }) => textContent),
      elements: [...new Set(all.map(({ localName }) => localName))].sort(),
      attributes: [...new Set(all.flatMap((one) => one.getAttributeNames()))].sort(),
      colourless: texts.filter((one) => !one.hasAttribute("fill")).map((one) => one.textContent),
    };
  }
`;

Deno.test("the space-time diagram shows the refusal of the demonstration, and goes with the playback", async () => {
  await using scene = await Scene.open({}, screenshots ? portsDefault : undefined);
  const { page } = scene;
  const done = await showDemonstration(scene);
  const heads = await page.locator("#spacetime .title").allTextContents();
  const ports = scene.servers.map((server) => server.split(":")[1]!);
  assertEquals(heads.slice(0, 2), ["Cliente 1", "Cliente 2"]);
  assertEquals(heads.slice(-3), ports);
  const all = await labels(page);
  for (const label of ["GET cor", "PUT cor", "REPLICATION 2", "REPLICATION_OK 2", "TRY_OTHER 1"]) {
    assert(all.includes(label), `${label} is not among ${all}`);
  }
  assertEquals(await page.locator("#spacetime .label.refused").allTextContents(), ["TRY_OTHER 1"]);
  assertEquals(await page.evaluate(overlaps), []);
  assertEquals(await page.locator("#diagram").isVisible(), false);
  if (screenshots) {
    const { text } = await saved(page, page.locator("#save-svg"));
    await Deno.writeTextFile("docs/images/space-time.svg", text);
  }

  await page.locator("#back").click();
  await page.locator("#spacetime").getByText(done).waitFor({ state: "detached" });
  for (let n = 0; n < 60 && (await labels(page)).includes("TRY_OTHER 1"); n++) {
    const moment = await page.locator("#moment").textContent();
    await page.locator("#back").click();
    await eventually(
      "the step shows",
      async () => await page.locator("#moment").textContent() !== moment,
    );
  }
  assert(!(await labels(page)).includes("TRY_OTHER 1"));
  // The REPLICATION that causes the refusal is on its way at that moment.
  await page.locator("#spacetime .line.request.open").waitFor();
  await page.locator("#forward").click();
  await page.locator("#spacetime .label.refused").waitFor();

  await page.locator("#view-diagram").click();
  assertEquals(await page.locator("#spacetime").isVisible(), false);
  assertEquals(await page.locator("#diagram").isVisible(), true);
  assertEquals(await page.locator("#view-diagram").getAttribute("aria-pressed"), "true");
});

Deno.test("the saved SVG is a picture of its own, with the labels and no code", async () => {
  await using scene = await Scene.open();
  const { page } = scene;
  const key = `<b onload="alert(1)">&"`;
  await page.locator("#view-spacetime").click();
  await scene.put(key, "]]>\u0007\u202e");
  await page.locator("#spacetime .label").getByText("PUT_OK 1").waitFor();
  const { name, text } = await saved(page, page.locator("#save-svg"));
  assertMatch(name, /^spacetime-\d{4}-\d\d-\d\d-\d{4}\.svg$/);
  const other = await page.context().browser()!.newPage();
  const picture = await other.evaluate(`(${readPicture})(${JSON.stringify(text)})`) as Picture;
  assertEquals(picture.elements, ["circle", "g", "path", "rect", "svg", "text", "title"]);
  assertMatch(picture.title, /^Diagrama espaço-tempo de Cliente 1, /);
  for (
    const label of [
      ...["PUT <b onload=…", "REPLICATION 1", "REPLICATION_OK 1", "PUT_OK 1", "líder"],
      "<b onload=… = ]]>\\u0007\\u202e",
    ]
  ) assert(picture.texts.includes(label), `${label} is not among ${picture.texts}`);
  assertEquals(picture.attributes.filter((one) => /^on|class|style|href/.test(one)), []);
  assertEquals(picture.colourless, []);
});

for (const [colorScheme, width] of [["light", 1280], ["dark", 360]] as const) {
  Deno.test(`axe finds no problems in the space-time diagram: ${colorScheme}, ${width} px wide`, async () => {
    await using scene = await Scene.open({ colorScheme, viewport: { width, height: 800 } });
    const { page } = scene;
    await showDemonstration(scene);
    assertEquals(await problemsOf(page), []);
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assertEquals(overflow, 0, "something is wider than the page");
  });
}

import { assertEquals } from "@std/assert";
import project from "../deno.json" with { type: "json" };
import { version } from "../lib/version.ts";

// lib/version.ts imports it. No permission is needed for that.
Deno.test("the packages have the version that the servers tell", { permissions: "none" }, () => {
  assertEquals(project.version, version);
});

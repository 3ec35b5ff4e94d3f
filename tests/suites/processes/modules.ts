/**
 * Which modules a plain server loads when it starts.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";

const project = new URL("../../../", import.meta.url);

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }[];
}

/** The modules that a script imports statically, itself included. */
async function staticImports(script: string): Promise<ReadonlySet<string>> {
  const args = ["info", "--json", script];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: project }).output();
  const { modules, roots, redirects } = JSON.parse(new TextDecoder().decode(stdout));
  const bySpecifier = new Map((modules as Module[]).map((one) => [one.specifier, one]));
  const found = new Set<string>();
  const rest: string[] = [...roots];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const specifier = redirects[next] ?? next;
    if (found.has(specifier)) continue;
    found.add(specifier);
    for (const { code, isDynamic } of bySpecifier.get(specifier)?.dependencies ?? []) {
      if (!isDynamic && code?.specifier !== undefined) rest.push(code.specifier);
    }
  }
  return found;
}

Deno.test("a plain server loads neither etcd, journal, metrics, TLS nor the client", async () => {
  const loaded = [...await staticImports("server.ts")];
  assert(loaded.some((module) => module.endsWith("/lib/server/kv_server.ts")), loaded.join());
  const unused = /\/lib\/(?:etcd|journal|metrics|client)\/|\/lib\/net\/tls|^node:/;
  assertEquals(loaded.filter((module) => unused.test(module)), []);
});

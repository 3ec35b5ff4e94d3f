/**
 * The rules of the project that `deno lint` checks: which folder may import which, what a pure
 * folder may not touch, who may open sockets and files, and that a path is no part of a URL.
 * CONTRIBUTING.md draws the folders.
 *
 * @module
 */

/** What the files of a part may import besides their own part. A role's part is its file. */
const imports: Readonly<Record<string, readonly string[]>> = {
  limits: [],
  fifo: [],
  deferred: [],
  key_map: [],
  version: ["deno.json"],
  descriptors: [],
  wire: ["limits", "fifo"],
  mensagem: ["wire"],
  auth: ["mensagem", "wire", "limits"],
  net: [
    ...["wire", "limits", "fifo", "deferred", "descriptors"],
    ...["node:crypto", "node:http", "node:net", "node:stream", "node:tls"],
  ],
  replication: ["mensagem", "wire", "limits", "fifo", "key_map"],
  client: ["auth", "net", "mensagem", "wire", "limits", "fifo", "deferred", "key_map"],
  journal: [
    ...["replication", "mensagem", "wire", "limits", "fifo", "descriptors"],
    "node:zlib",
  ],
  metrics: ["replication", "net", "mensagem", "wire", "limits", "fifo", "version"],
  etcd: [
    ...["replication", "mensagem", "wire", "limits", "fifo", "key_map"],
    ...["node:http2", "node:net", "node:timers", "node:tls"],
  ],
  server: [
    ...["replication", "net", "auth", "mensagem", "wire", "limits", "fifo", "version"],
    "@std/async",
  ],
  cli: ["lib/", "@std/async", "@std/cli"],
  "server.ts": ["lib/"],
  "client.ts": ["lib/"],
  dashboard: ["lib/", "dashboard/stories", "@std/async"],
  // The stories and how they are played: the page and `deno task demo` tell the same ones.
  "dashboard/stories": ["lib/", "@std/async"],
  tools: ["lib/", "dashboard/stories", "@std/async"],
  bench: ["lib/", "@std/async", "node:", "ioredis"],
};

/** Messages and the time go in, messages and prints come out: nothing else reaches these parts. */
const pure = new Set([
  ...["limits", "fifo", "deferred", "version", "descriptors"],
  ...["wire", "mensagem", "auth", "replication"],
]);
const impure = new Set([
  ...["Deno", "globalThis", "process", "navigator", "console", "Date", "Temporal"],
  ...["performance", "setTimeout", "setInterval", "setImmediate", "queueMicrotask", "crypto"],
  ...["fetch", "WebSocket", "WebSocketStream", "EventSource", "BroadcastChannel", "Worker"],
  ...["Math.random", "AbortSignal.timeout", "Math", "AbortSignal"],
]);

/** The members of `Deno` that every impure part of `lib` may use: no sockets, no files. */
const harmless = new Set([
  ...["addSignalListener", "args", "build", "env", "errors", "exit", "memoryUsage", "noColor"],
  ...["permissions", "removeSignalListener", "stderr", "stdin", "stdout"],
]);
/** The other members of `Deno` that a part or a file of `lib` may use. */
const special: Readonly<Record<string, RegExp>> = {
  net: /^(connect|connectTls|listen|listenTls|startTls)$/,
  journal:
    /^(lstat|mkdir|open|openSync|readDir|readDirSync|readTextFile|remove|rename|stat|statSync|writeTextFile|SeekMode)$/,
  etcd: /^createHttpClient$/,
  "lib/cli/lock_command.ts": /^Command$/,
  "lib/cli/session_file.ts": /^(lstat|mkdir|open|readDir|readFile|remove|rename)$/,
  "lib/cli/tls_flags.ts": /^readFileSync$/,
};
const networkGlobals = /^(WebSocket|WebSocketStream|EventSource|BroadcastChannel|Worker)$/;

const root = `${import.meta.dirname!.replaceAll("\\", "/").replace(/\/tools$/, "")}/`;

/** The path of a linted file from the root of the project, with `/` between folders. */
function projectPath(filename: string): string {
  const path = filename.replaceAll("\\", "/");
  return path.startsWith(root) ? path.slice(root.length) : path;
}

/** The part of a file: "net" for `lib/net/dial.ts`. `undefined` for tests, which may do anything. */
function partOf(path: string): string | undefined {
  const [top, second] = path.split("/");
  if (top === "lib") return second!.replace(/\.ts$/, "");
  if (top === "dashboard" && second === "stories") return "dashboard/stories";
  return top !== undefined && Object.hasOwn(imports, top) ? top : undefined;
}

/** Why a file of a part may not import a specifier; `undefined` if it may. */
function whyNotImport(path: string, part: string, specifier: string): string | undefined {
  const allowed = imports[part];
  if (allowed === undefined) return `lib/${part} is not a part that tools/lint_plugin.ts knows`;
  if (!specifier.startsWith(".")) {
    const known = allowed.some((one) =>
      /^(@|node:|ioredis)/.test(one) && specifier.startsWith(one)
    );
    return known ? undefined : `${part} may not import "${specifier}"`;
  }
  const target = decodeURI(new URL(specifier, `file:///${path}`).pathname.slice(1));
  const to = partOf(target);
  const ok = allowed.includes(target) || to !== undefined &&
      (to === part || allowed.includes(to) ||
        (allowed.includes("lib/") && target.startsWith("lib/")));
  return ok ? undefined : `${part} may not import ${target}`;
}

/** Why a file may not use a global, with the member that follows it; `undefined` if it may. */
function whyNotUse(path: string, part: string, name: string, member?: string): string | undefined {
  const full = member === undefined ? name : `${name}.${member}`;
  // Only one member of each is impure. The bare object is refused: taken apart it would hide that.
  const partly = (name === "Math" || name === "AbortSignal") && member !== undefined;
  const isImpure = impure.has(full) || (impure.has(name) && !partly);
  if (pure.has(part) && isImpure && !(part === "auth" && name === "crypto")) {
    return `${part} is pure: it may not use ${full}`;
  }
  if (!path.startsWith("lib/")) return undefined;
  if (name === "globalThis") return "lib may not use globalThis: it hides what is used";
  if (networkGlobals.test(name)) return `lib may not use ${name}: only lib/net opens sockets`;
  if (name === "fetch") return "lib may not use fetch: it obeys proxies of the environment";
  if (name !== "Deno") return undefined;
  if (member === undefined) return "lib may not use Deno as a value: it hides what is used";
  const may = harmless.has(member) || special[part]?.test(member) || special[path]?.test(member);
  return may ? undefined : `${part} may not use ${full}: see tools/lint_plugin.ts`;
}

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "import-direction": {
      create(context) {
        const path = projectPath(context.filename);
        const part = partOf(path);
        if (part === undefined) return {};
        const check = (node: Deno.lint.Node | null | undefined) => {
          if (node === null || node === undefined) return;
          const specifier = node.type === "Literal"
            ? node.value
            : node.type === "TemplateLiteral" && node.expressions.length === 0
            ? node.quasis[0]!.cooked
            : undefined;
          // A tool may import what it computes; the parts of lib name what they import.
          if (typeof specifier !== "string" && !path.startsWith("lib/")) return;
          const message = typeof specifier === "string"
            ? whyNotImport(path, part, specifier)
            : "an import in lib names its module with a constant text";
          if (message !== undefined) context.report({ node, message });
        };
        return {
          ImportDeclaration: ({ source }) => check(source),
          ImportExpression: ({ source }) => check(source),
          ExportNamedDeclaration: ({ source }) => check(source),
          ExportAllDeclaration: ({ source }) => check(source),
          TSImportType: ({ argument }) =>
            check(argument.type === "TSLiteralType" ? argument.literal : argument),
        };
      },
    },
    "path-of-url": {
      create(context) {
        return {
          MemberExpression(node) {
            const { object, property } = node;
            if (property.type !== "Identifier" || property.name !== "pathname") return;
            if (object.type !== "NewExpression" || object.arguments[1] === undefined) return;
            if (context.sourceCode.getText(object.arguments[1]) !== "import.meta.url") return;
            const message = "a pathname has %20 for a blank: use href, or import.meta.dirname";
            context.report({ node, message });
          },
        };
      },
    },
    "who-may-touch": {
      create(context) {
        const path = projectPath(context.filename);
        const part = partOf(path);
        if (part === undefined) return {};
        return {
          Identifier(node) {
            const { parent } = node;
            if (parent.type === "TSQualifiedName" && !pure.has(part)) return; // a type
            const asks = parent.type === "UnaryExpression" && parent.operator === "typeof";
            if (asks && !pure.has(part)) return; // whether this runtime has it
            if (
              parent.type === "MemberExpression" && parent.property === node && !parent.computed
            ) {
              return;
            }
            const isKey = "key" in parent && parent.key === node;
            if (isKey && !("shorthand" in parent && parent.shorthand)) return;
            const member = parent.type === "MemberExpression" && parent.object === node &&
                parent.property.type === "Identifier" && !parent.computed
              ? parent.property.name
              : undefined;
            const message = whyNotUse(path, part, node.name, member);
            if (message !== undefined) context.report({ node, message });
          },
        };
      },
    },
  },
};

export default plugin;

/**
 * The rules of this project that `deno lint` checks: what each folder may import, what a pure folder
 * may not use, and which folders may open sockets and files. CONTRIBUTING.md draws the folders.
 *
 * @module
 */

/** The parts of the project, and the other parts and packages that each may import. */
const imports: Readonly<Record<string, readonly string[]>> = {
  limits: [],
  fifo: [],
  wire: ["limits", "fifo"],
  mensagem: ["wire"],
  auth: ["mensagem", "wire", "limits"],
  net: ["mensagem", "wire", "limits", "fifo"],
  replication: ["mensagem", "wire", "limits", "fifo"],
  client: ["auth", "net", "mensagem", "wire", "limits", "fifo"],
  journal: ["replication", "mensagem", "wire", "limits", "fifo"],
  metrics: ["replication", "mensagem", "wire", "limits", "fifo"],
  etcd: ["replication", "mensagem", "wire", "limits", "fifo"],
  server: ["replication", "net", "auth", "mensagem", "wire", "limits", "fifo", "@std/async"],
  cli: ["lib", "@std/async", "@std/cli"],
  roles: ["lib", "@std/async"],
  dashboard: ["lib", "@std/async"],
  tools: ["lib", "@std/async"],
  bench: ["lib", "@std/async"],
};

/** The globals that a pure part may not use. */
const impure = new Set([
  ...["Deno", "Date", "performance", "fetch", "crypto", "WebSocket", "process", "navigator"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "Math.random"],
]);
const pure = new Set(["limits", "fifo", "wire", "mensagem", "auth", "replication"]);

/** The members of `Deno` that open neither sockets nor files: every part that is not pure may use them. */
const harmless = new Set([
  ...["addSignalListener", "args", "build", "env", "errors", "exit", "memoryUsage", "noColor"],
  ...["permissions", "stderr", "stdin", "stdout"],
]);

/** The other members that a part of `lib` may use, as a pattern. */
const special: Readonly<Record<string, RegExp>> = {
  net: /^(connect|connectTls|listen|listenTls|startTls)$/,
  journal: /^(mkdir|open|readDir|remove|rename|stat|SeekMode)$/,
  metrics: /^serve$/,
  etcd: /^createHttpClient$/,
  "lib/cli/session_file.ts": /^(mkdir|open|readTextFile|rename|stat|writeTextFile)$/,
  "lib/cli/tls_flags.ts": /^readTextFileSync$/,
};

/** The modules of Node.js that a part of `lib` may import. */
const nodeModules: Readonly<Record<string, RegExp>> = {
  net: /^node:(crypto|stream|tls)$/,
  journal: /^node:zlib$/,
};

/** The part of a file: "net" for `lib/net/dial.ts`. `undefined` if the file may import anything. */
function partOf(path: string): string | undefined {
  const [top, second] = path.split("/");
  if (top === "lib") return second?.replace(/\.ts$/, "");
  if (top !== undefined && Object.hasOwn(imports, top) && second !== undefined) return top;
  return path === "server.ts" || path === "client.ts" ? "roles" : undefined;
}

/** The path of a linted file from the root of the project, with `/` between folders. */
function projectPath(filename: string): string {
  const root = new URL("../", import.meta.url).pathname;
  const path = filename.replaceAll("\\", "/").replace(/^\/?([A-Za-z]:)/, "/$1");
  return path.startsWith(root) ? path.slice(root.length) : path;
}

/** Why a file of a part may not import a specifier; `undefined` if it may. */
function whyNotImport(path: string, part: string, specifier: string): string | undefined {
  const allowed = imports[part];
  if (allowed === undefined) return `lib/${part} is not a part that tools/lint_plugin.ts knows`;
  if (!specifier.startsWith(".")) {
    const mayNode = specifier.startsWith("node:") &&
      (path.startsWith("lib/") ? nodeModules[part]?.test(specifier) : part !== "roles");
    const known = allowed.some((one) => one.startsWith("@") && specifier.startsWith(one));
    return mayNode || known ? undefined : `${part} may not import "${specifier}"`;
  }
  const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
  const to = partOf(target);
  if (to === undefined || to === part) return undefined;
  const ok = allowed.includes(to) || (allowed.includes("lib") && target.startsWith("lib/"));
  return ok ? undefined : `${part} may not import ${target}`;
}

/** The name of an identifier, with the member that follows it, if any: `Deno.open`. */
function nameOf(node: Deno.lint.Identifier): string {
  const { parent } = node;
  return parent.type === "MemberExpression" && parent.object === node &&
      parent.property.type === "Identifier" && !parent.computed
    ? `${node.name}.${parent.property.name}`
    : node.name;
}

/** Whether an identifier only names a member or a field, and refers to no variable. */
function isMemberName(node: Deno.lint.Identifier): boolean {
  const { parent } = node;
  if (parent.type === "MemberExpression") return parent.property === node && !parent.computed;
  return "key" in parent && parent.key === node && !("shorthand" in parent && parent.shorthand);
}

/** Why a file may not use a global; `undefined` if it may. */
function whyNotUse(path: string, part: string, node: Deno.lint.Identifier): string | undefined {
  const name = nameOf(node);
  const [object, member] = name.split(".");
  const isImpure = impure.has(name) || impure.has(object!);
  if (pure.has(part) && isImpure && !(part === "auth" && object === "crypto")) {
    return `${part} is pure: it may not use ${name}`;
  }
  if (!path.startsWith("lib/")) return undefined;
  if (object === "globalThis") return "lib may not use globalThis: it hides what is used";
  if (object === "WebSocket") return "only lib/net opens sockets: not WebSocket";
  if (object === "fetch" && part !== "etcd") return "only lib/etcd uses fetch";
  if (object !== "Deno" || (node.parent.type as string) === "TSQualifiedName") return undefined; // a type
  if (member === undefined) return "lib may not use Deno as a value: it hides what is used";
  const may = harmless.has(member) || special[part]?.test(member) || special[path]?.test(member);
  return may ? undefined : `${part} may not use ${name}: see tools/lint_plugin.ts`;
}

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "import-direction": {
      create(context) {
        const path = projectPath(context.filename);
        const part = partOf(path);
        if (part === undefined) return {};
        const check = (source: Deno.lint.Expression | null) => {
          if (source?.type !== "Literal" || typeof source.value !== "string") return;
          const message = whyNotImport(path, part, source.value);
          if (message !== undefined) context.report({ node: source, message });
        };
        return {
          ImportDeclaration: ({ source }) => check(source),
          ImportExpression: ({ source }) => check(source),
          ExportNamedDeclaration: ({ source }) => check(source),
          ExportAllDeclaration: ({ source }) => check(source),
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
            if (isMemberName(node)) return;
            const message = whyNotUse(path, part, node);
            if (message !== undefined) context.report({ node, message });
          },
        };
      },
    },
  },
};

export default plugin;

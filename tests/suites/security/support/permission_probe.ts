/**
 * A program that tries what a server or a client that was taken over would try, and prints what it
 * could do. Tests run it in the place of a role, with the permissions of the role's task.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its result is on the console

/** Files that it tries to read and to write, below its working directory. */
const files = [
  ...["victim", "data/file", "data/link", "data/../victim", ".session/file"],
  ...["tls/cert.pem", "tls/key.pem", "tls/ca.pem", "/etc/passwd", "/proc/self/environ"],
];
const variables = ["PATH", "KV_SECRET", "KV_PASSWORD", "KV_ETCD_USER", "KV_ETCD_PASSWORD"];

const attempts: Record<string, () => unknown> = {
  "run true": () => new Deno.Command("true").outputSync(),
  "run deno": () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync(),
  "read all of the environment": () => Deno.env.toObject(),
  "set PATH": () => Deno.env.set("PATH", "."),
  "read the host name": () => Deno.hostname(),
  "load a library": () => Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } }),
  "link outwards": () => Deno.symlinkSync("../victim", "data/new-link"),
  "import victim": () => import(`file://${cwd()}/victim`, { with: { type: "text" } }),
  "ask for more": async () => {
    const { state } = await Deno.permissions.request({ name: "run" });
    if (state !== "granted") throw new Error(state);
  },
  "run true in a worker": () =>
    new Promise((resolve, reject) => {
      const url = "data:text/javascript,new Deno.Command('true').outputSync(); postMessage(1)";
      const worker = new Worker(url, { type: "module" });
      worker.onmessage = resolve;
      worker.onerror = (event) => {
        event.preventDefault();
        reject(event);
      };
    }),
};
for (const file of files) {
  attempts[`read ${file}`] = () => Deno.readFileSync(file);
  attempts[`write ${file}`] = () => Deno.openSync(file, { append: true }).close();
}
for (const name of variables) attempts[`read ${name}`] = () => Deno.env.get(name)!.length;

/** The working directory is an argument: to ask for it needs a permission. */
function cwd(): string {
  return Deno.args[0]!;
}

const done: string[] = [];
for (const [what, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
    done.push(what);
  } catch { // what it should be
  }
}
console.log(JSON.stringify(done));
Deno.exit();

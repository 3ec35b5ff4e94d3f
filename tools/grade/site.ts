/**
 * The place of one trial: a network namespace of its own where the system allows it, and a keeper
 * that ends every program of the trial, even if the grader itself is killed.
 *
 * @module
 */

/**
 * The keeper. It reads lines `SIGNAL GROUP` and sends signals at once: `kill` is part of sh.
 * `ADD GROUP` tells it of a process group. When its input ends, it kills all groups: after the
 * trial, after SIGINT, and when the grader has died.
 */
const keeperScript = `trap '' INT TERM HUP
[ "$1" = 1 ] && { ip link set lo up || exit 3; }
echo ready
groups=
while read -r what group; do
  case $what in
    ADD) groups="$groups -$group" ;;
    *) kill -s "$what" -- "-$group" 2>/dev/null ;;
  esac
done
[ -z "$groups" ] || kill -s KILL -- $groups 2>/dev/null
exit 0`;

/** How a namespace is entered, from the one that gives the most. */
const namespaces = [
  { unshare: "unshare --net", enter: "--net", root: true },
  {
    unshare: "unshare --user --map-root-user --net",
    enter: "--user --preserve-credentials --net",
    root: false,
  },
] as const;

const keeperStartMs = 10_000;
const scriptMs = 20_000;

/** The user ids under which the servers run in a cut, so that the network can tell packets. */
export const serverUids: readonly number[] = [64_097, 64_098, 64_099];

/** The options of a launched program. */
export interface LaunchOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The user id under which the program runs, with the rights of root on files. */
  readonly uid?: number;
}

/** Where the programs of one trial run. */
export class Site implements AsyncDisposable {
  /** Whether the trial has a network of its own. */
  readonly isolated: boolean;
  /** Whether a program can run under a user id of its own. */
  readonly canMark: boolean;
  readonly #enter: string;
  readonly #keeper: Deno.ChildProcess;
  readonly #keeperInput: WritableStreamDefaultWriter<Uint8Array>;
  #closed = false;

  private constructor(keeper: Deno.ChildProcess, enter: string, root: boolean) {
    this.#keeper = keeper;
    this.#keeperInput = keeper.stdin.getWriter();
    this.isolated = enter !== "";
    this.canMark = root;
    this.#enter = enter === "" ? "" : `nsenter --target=${keeper.pid} ${enter} --`;
  }

  /** Opens a site: with a namespace of its own if `isolate` and the system allows it. */
  static async open(isolate: boolean): Promise<Site> {
    if (isolate && Deno.build.os === "linux") {
      for (const namespace of namespaces) {
        const keeper = await startKeeper(namespace.unshare);
        if (keeper === undefined) continue;
        const site = new Site(keeper, namespace.enter, false);
        // some systems create a namespace, but do not let a program enter it
        if (await site.run("echo entered") !== "entered\n") {
          await site[Symbol.asyncDispose]();
          continue;
        }
        if (!namespace.root) return site;
        const uid = serverUids[0]!;
        if (await site.run(`setpriv ${uidFlags(uid)} -- id -u`) !== `${uid}\n`) return site;
        return site.#withMarks(namespace.enter);
      }
    }
    const keeper = await startKeeper("");
    if (keeper === undefined) throw new Error("Cannot start sh");
    return new Site(keeper, "", false);
  }

  #withMarks(enter: string): Site {
    this.#keeperInput.releaseLock();
    return new Site(this.#keeper, enter, true);
  }

  /** Process id of the keeper: its folder below /proc shows the network of the trial. */
  get keeperPid(): number {
    return this.#keeper.pid;
  }

  /** Starts a program as the first of a process group of its own. */
  async launch(command: readonly string[], options: LaunchOptions): Promise<Deno.ChildProcess> {
    const { uid } = options;
    const mark = uid !== undefined && this.canMark ? `setpriv ${uidFlags(uid)} --` : "";
    const child = new Deno.Command("sh", {
      args: ["-c", `exec ${this.#enter} ${mark} "$@"`, "sh", ...command],
      cwd: options.cwd,
      env: options.env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    await this.#tellKeeper(`ADD ${child.pid}`);
    return child;
  }

  /** Sends a signal to every process of a group. */
  async signal(group: number, signal: "STOP" | "CONT" | "KILL" | "TERM"): Promise<void> {
    await this.#tellKeeper(`${signal} ${group}`);
  }

  async #tellKeeper(line: string): Promise<void> {
    await this.#keeperInput.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Runs a script inside the site. Returns what it printed, `undefined` if it failed. */
  run(script: string): Promise<string | undefined> {
    return runScript(`exec ${this.#enter} sh -c "$1"`, script);
  }

  /**
   * Keeps no closed connections (TIME_WAIT) from now on, if the site has a network of its own and
   * the system allows it. Otherwise a server without SO_REUSEADDR cannot start again for a minute.
   */
  async forgetClosedConnections(): Promise<void> {
    if (this.isolated) await this.run("echo 0 >/proc/sys/net/ipv4/tcp_max_tw_buckets");
  }

  /** Ends all programs of the trial. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#keeperInput.close().catch(() => {});
    await this.#keeper.status;
  }
}

function uidFlags(uid: number): string {
  const capabilities = "+dac_override,+fowner,+kill";
  return `--reuid=${uid} --inh-caps=${capabilities} --ambient-caps=${capabilities}`;
}

/** Starts a keeper behind `prefix`, a command that opens a namespace. */
async function startKeeper(prefix: string): Promise<Deno.ChildProcess | undefined> {
  const isolated = prefix === "" ? "0" : "1";
  const keeper = new Deno.Command("sh", {
    args: ["-c", `exec ${prefix} sh -c "$1" sh ${isolated}`, "sh", keeperScript],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
  const timer = setTimeout(() => keeper.kill("SIGKILL"), keeperStartMs);
  const first = await readFirst(keeper.stdout);
  clearTimeout(timer);
  if (first.startsWith("ready")) return keeper;
  await keeper.stdin.close().catch(() => {});
  await keeper.status;
  return undefined;
}

async function readFirst(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value);
}

/** Runs a script with arguments outside of any site. `undefined` if it failed or took too long. */
export async function runScript(script: string, ...args: string[]): Promise<string | undefined> {
  const { success, stdout } = await outputOf(["sh", "-c", script, "sh", ...args], {}, scriptMs);
  return success ? new TextDecoder().decode(stdout) : undefined;
}

/** Runs a command without input to its end. It is ended after a time. */
export async function outputOf(
  command: readonly [string, ...string[]],
  options: Pick<Deno.CommandOptions, "cwd" | "env">,
  timeoutMs: number,
): Promise<Deno.CommandOutput> {
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    ...{ ...options, args, stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    return await child.output();
  } finally {
    clearTimeout(timer);
  }
}

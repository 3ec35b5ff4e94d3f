/**
 * Three members of a real etcd, as processes that can be killed, stopped and started again.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { freePorts, patienceMs, within } from "../../support/helpers.ts";

/** A process starts slowly where many do. */
const startMs = 20_000;
const startsMax = 3;
const pollMs = 20;
const outputCharsMax = 4_000;

/** The program; `undefined` where it is not installed. */
export const etcdProgram: string | undefined = find("etcd");
function find(program: string): string | undefined {
  try {
    const { success } = new Deno.Command(program, { args: ["--version"], stderr: "null" })
      .outputSync();
    return success ? program : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** How members are started, besides addresses and folders. */
export interface EtcdSetup {
  /** Further flags for each of them. */
  readonly flags?: readonly string[];
  /** Files in PEM, where clients must speak TLS; the members among themselves do not. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** Three members that have found each other. */
export class RealEtcd implements AsyncDisposable {
  readonly members: readonly RealMember[];
  readonly #folder: string;

  private constructor(folder: string, { flags = [], tls }: EtcdSetup) {
    const ports = freePorts(6);
    const scheme = tls === undefined ? "http" : "https";
    const peers = [3, 4, 5].map((index) => `http://127.0.0.1:${ports[index]}`);
    const cluster = peers.map((url, index) => `m${index}=${url}`).join(",");
    const secure = tls === undefined ? [] : [
      ...["--cert-file", tls.cert, "--key-file", tls.key],
      ...["--trusted-ca-file", tls.ca, "--client-cert-auth"],
    ];
    this.#folder = folder;
    this.members = peers.map((peer, index) => {
      const url = `${scheme}://127.0.0.1:${ports[index]}`;
      return new RealMember(url, [
        ...["--name", `m${index}`, "--data-dir", `${folder}/m${index}`],
        ...["--listen-client-urls", url, "--advertise-client-urls", url],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ...["--initial-cluster", cluster, "--initial-cluster-token", folder],
        ...["--heartbeat-interval", "50", "--election-timeout", "500", "--log-level", "error"],
        ...secure,
        ...flags,
      ], tls && memberTls(tls));
    });
  }

  /** Starts them. Resolves when each of them says who leads. */
  static async start(setup: EtcdSetup = {}): Promise<RealEtcd> {
    // Another program may take a port in the moment in which it is free.
    for (let attempt = 1;; attempt++) {
      const etcd = new RealEtcd(await Deno.makeTempDir({ prefix: "kv-etcd-" }), setup);
      try {
        for (const member of etcd.members) member.start();
        await etcd.ready();
        return etcd;
      } catch (error) {
        await etcd[Symbol.asyncDispose]();
        if (attempt === startsMax || !`${error}`.includes("address already in use")) throw error;
      }
    }
  }

  /** Resolves when each member that runs answers and knows a leader. */
  async ready(): Promise<void> {
    await Promise.all(this.members.filter(({ alive }) => alive).map((member) => member.ready()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function memberTls({ ca, cert, key }: NonNullable<EtcdSetup["tls"]>): MemberTls {
  const [caCert, own, secret] = [ca, cert, key].map((path) => Deno.readTextFileSync(path));
  return { caCerts: [caCert!], cert: own!, key: secret! };
}

/** How a test asks a member that speaks TLS. */
interface MemberTls {
  readonly caCerts: string[];
  readonly cert: string;
  readonly key: string;
}

/** One member: its address and its data stay, its processes come and go. */
export class RealMember {
  readonly url: string;
  /** Counts its processes. */
  life = 0;
  readonly #args: readonly string[];
  readonly #tls: MemberTls | undefined;
  #child: Deno.ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #output = "";

  constructor(url: string, args: readonly string[], tls?: MemberTls) {
    this.url = url;
    this.#args = args;
    this.#tls = tls;
  }

  /** "host:port" for clients. */
  get address(): string {
    return new URL(this.url).host;
  }

  get alive(): boolean {
    return this.#child !== undefined;
  }

  /** Starts a process on what the one before has left. */
  start(): void {
    const child = new Deno.Command(etcdProgram!, {
      args: [...this.#args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.life++;
    this.#ended = this.#watch(child);
  }

  /** Resolves when it listens, and the cluster has a leader. */
  async ready(): Promise<void> {
    const untilMs = performance.now() + startMs;
    while (performance.now() < untilMs) {
      if (this.#child === undefined) throw new Error(`etcd has ended: ${this.#output}`);
      const status = await this.ask("maintenance/status", {}).catch(() => undefined);
      if (status?.leader !== undefined) return;
      await delay(pollMs);
    }
    throw new Error(`etcd at ${this.url} is not ready: ${this.#output}`);
  }

  /**
   * Asks its gateway for something.
   *
   * @throws {Error} where the answer is an error.
   */
  async ask(
    path: string,
    body: Record<string, unknown>,
    token?: string,
  ): Promise<Record<string, unknown>> {
    const { caCerts, cert, key } = this.#tls ?? {};
    using client = Deno.createHttpClient({
      ...(caCerts === undefined ? {} : { caCerts }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    });
    const response = await fetch(`${this.url}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: token === undefined ? {} : { Authorization: token },
      signal: AbortSignal.timeout(patienceMs),
      client,
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${answer.error}`);
    return answer;
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await within(`etcd at ${this.url} dies`, this.#ended, patienceMs);
  }

  /** Sends it a signal, where it runs. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended by itself
    }
  }

  async #watch(child: Deno.ChildProcess): Promise<void> {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#output = (this.#output + text).slice(-outputCharsMax);
    }
    await child.status;
    this.#child = undefined;
  }
}

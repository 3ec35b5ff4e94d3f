/**
 * A server's connection to its member of etcd: finding it, watching it, finding it again.
 *
 * @module
 */

import { LinkedAbort, sleep } from "./abort.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError, explain } from "./errors.ts";
import type { MemberStatus, WatchEvent, WatchLine } from "./protocol.ts";
import { StatusView } from "./status_view.ts";
import type { TableFeed } from "./table_feed.ts";

/** The pause between two requests for the member's status, by default. */
const pollMsDefault = 500;

/** A watch that is silent for this long is opened again: its connection may be dead. */
const watchIdleMsDefault = 60_000;

/** What a member reports to its owner. */
export interface MemberListener {
  /** Events of the watch are in the table. A name of the store is not among them. */
  applied(events: readonly WatchEvent[]): void;
  /** The table was read as a whole, or everything up to its timestamp has come. */
  advanced(read: boolean): void;
  /** `leads` or `whyNot` may have changed. */
  changed(): void;
  /** Tells the operator. */
  report(line: string): void;
}

/** What a member needs from its owner. */
export interface MemberOptions {
  /** A member that does not answer for this long is lost. */
  readonly silenceMs: number;
  /** The first pause before a lost member is tried again. It doubles each time. */
  readonly redialFirstMs: number;
  /** The longest such pause. */
  readonly redialLongestMs: number;
  /** The pause between two requests for the member's status. */
  readonly pollMs?: number;
  /** A watch without any message for this long is opened again. */
  readonly watchIdleMs?: number;
  /** Returns a number from 0 up to, but not including, 1. */
  random(): number;
  /** Returns a name that no store had before. */
  newName(): string;
}

/** Ends a watch that was idle for too long. The next one is opened at once. */
const idle = new EtcdError("no answer", "the watch was idle for too long");

/**
 * The member of etcd that a server uses.
 *
 * - Writes can be sent to it while its watch is open. Otherwise {@linkcode EtcdMember.whyNot} says why
 *   not.
 * - A new watch continues after the last one. No write is shown twice. A write is left out only
 *   if etcd has compacted it, which is reported. Then the whole table is read again.
 * - A member that comes back with other data is never asked again: connected clients have seen
 *   timestamps of its former data.
 */
export class EtcdMember {
  readonly #url: string;
  readonly #client: EtcdClient;
  readonly #feed: TableFeed;
  readonly #options: MemberOptions;
  readonly #listener: MemberListener;
  readonly #status: StatusView;
  readonly #closing = new AbortController();
  readonly #task: Promise<void>;
  #whyNot: string | undefined = "etcd has not been asked yet";
  #wasOpen = false;
  #cluster = "";
  #name = "";
  /**
   * The name that the watch has shown to be removed: the store gets it back. "" if it was not. A name
   * that is missing without that is a sign of other data.
   */
  #removedName = "";
  #revision = 0;
  /** When the member was lost, or first looked for; `undefined` while the watch is open. */
  #lostAtMs: number | undefined = performance.now();
  /** The kind of error that the operator was told of in this outage; "" if there is none. */
  #reportedLoss = "";

  /** Begins to look for the member at once. */
  constructor(
    url: string,
    client: EtcdClient,
    feed: TableFeed,
    options: MemberOptions,
    listener: MemberListener,
  ) {
    this.#url = url;
    this.#client = client;
    this.#feed = feed;
    this.#options = options;
    this.#listener = listener;
    const { silenceMs, redialFirstMs } = options;
    const report = (line: string) => listener.report(line);
    this.#status = new StatusView(client, { silenceMs, redialFirstMs, report });
    this.#task = this.#run();
  }

  /** Why nothing can be written; `undefined` if it can. */
  get whyNot(): string | undefined {
    return this.#whyNot;
  }

  /** The cluster id: that of etcd and the name of the store in it. "" before it is known. */
  get cluster(): string {
    return this.#cluster;
  }

  /** The name of the store, "" before it is known. */
  get name(): string {
    return this.#name;
  }

  /** Whether the member is etcd's leader, as it said last. */
  get leads(): boolean {
    return this.#status.leads;
  }

  /** "ip:port" at which etcd's leader takes requests, "" if unknown. */
  get leader(): string {
    return this.#status.leader;
  }

  /** Whether a watch was open once. */
  get wasOpen(): boolean {
    return this.#wasOpen;
  }

  /** The newest revision of the member, as it said last. Other data in etcd moves it too. */
  get revision(): number {
    return this.#revision;
  }

  /** For how long the member has been lost, or looked for; `undefined` while its watch is open. */
  get lostForMs(): number | undefined {
    return this.#lostAtMs === undefined ? undefined : performance.now() - this.#lostAtMs;
  }

  /** Ends the watch, and resolves when it has ended. */
  async close(): Promise<void> {
    this.#closing.abort(new EtcdError("no answer", "this server is closing"));
    await this.#task;
    await this.#status.close();
  }

  async #run(): Promise<void> {
    const { redialFirstMs, redialLongestMs, random } = this.#options;
    const { signal } = this.#closing;
    let pauseMs = redialFirstMs;
    while (!signal.aborted) {
      try {
        await this.#find();
        await this.#watchAndPoll(() => pauseMs = redialFirstMs);
      } catch (error) {
        if (signal.aborted) break;
        this.#lost(error as Error);
        if (error instanceof EtcdError && error.kind === "other data") break;
      }
      await sleep(pauseMs * (0.5 + random() / 2), signal);
      pauseMs = Math.min(2 * pauseMs, redialLongestMs);
    }
  }

  /** Asks the member for its identity, and checks that it still has the same data. */
  async #find(): Promise<void> {
    const { silenceMs, newName } = this.#options;
    const status = await this.#client.status(silenceMs);
    this.#client.pin(status.cluster);
    const name = await this.#client.claim(this.#removedName || newName(), silenceMs);
    if (!/^[\w-]{1,40}$/.test(name)) {
      const reason = "the value under the bare prefix is not the name of a store";
      throw new EtcdError("unexpected", reason);
    }
    const cluster = `${status.cluster}-${name}`;
    if (this.#cluster !== "" && cluster !== this.#cluster) {
      throw new EtcdError("other data", `${cluster} instead of ${this.#cluster}`);
    }
    this.#cluster = cluster;
    this.#name = name;
    this.#removedName = "";
    if (status.revision < this.#feed.revision) await this.#checkNotRestored();
    this.#takeStatus(status);
  }

  /**
   * The member is behind what this server has shown. It may have to catch up, or the whole of etcd was
   * set back. Only a majority can tell: with no majority the member waits for the others.
   */
  async #checkNotRestored(): Promise<void> {
    const newest = await this.#client.newestRevision(this.#options.silenceMs);
    const shown = this.#feed.revision;
    if (newest >= shown) return;
    const reason =
      `its newest revision is ${newest}, this server has ${shown}: was a backup restored?`;
    throw new EtcdError("other data", reason);
  }

  /** Watches and polls the member until either fails. Calls `opened` for each open watch. */
  async #watchAndPoll(opened: () => void): Promise<never> {
    using failed = new LinkedAbort(this.#closing.signal);
    const polling = this.#poll(failed);
    try {
      if (!this.#feed.loaded) await this.#read(failed.signal);
      while (true) await this.#watch(failed.signal, opened);
    } finally {
      failed.abort();
      await polling;
    }
  }

  /** Asks for the member's status again and again. Aborts `failed` if there is no answer. */
  async #poll(failed: LinkedAbort): Promise<void> {
    const { silenceMs, pollMs = pollMsDefault } = this.#options;
    while (!failed.signal.aborted) {
      await sleep(pollMs, failed.signal);
      if (failed.signal.aborted) return;
      try {
        this.#takeStatus(await this.#client.status(silenceMs));
      } catch (error) {
        failed.abort(error);
      }
    }
  }

  /** Opens one watch. Returns if it was idle for too long, or its history was compacted. */
  async #watch(failed: AbortSignal, opened: () => void): Promise<void> {
    const { silenceMs, watchIdleMs = watchIdleMsDefault } = this.#options;
    using stop = new LinkedAbort(failed);
    let lastMs = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - lastMs > watchIdleMs) stop.abort(idle);
    }, watchIdleMs / 4);
    let compacted = 0;
    let named: WatchEvent | undefined;
    const took = (line: WatchLine) => {
      lastMs = performance.now();
      switch (line.kind) {
        case "created":
          this.#found();
          opened();
          break;
        case "progress":
          this.#feed.progress(line.revision);
          this.#listener.advanced(false);
          break;
        case "events":
          named = this.#take(this.#feed.apply(line.events, line.partial)) ?? named;
          // Within a revision the next watch would begin with the same removal of the name again.
          if (!line.partial && named !== undefined) this.#checkName(named);
          break;
        case "compacted":
          compacted = line.revision;
          stop.abort(idle); // there is nothing more to come
      }
    };
    try {
      const from = () => this.#feed.revision + 1;
      await this.#client.watch(from, silenceMs, stop.signal, took);
      throw new EtcdError("no answer", "etcd has ended the watch");
    } catch (error) {
      if (stop.signal.reason !== idle) throw error;
    } finally {
      clearInterval(timer);
    }
    if (compacted > 0) await this.#readAgain(compacted, failed);
  }

  /** Passes events on. Returns the newest one of the store's name, if there is one. */
  #take(events: readonly WatchEvent[]): WatchEvent | undefined {
    const named = events.findLast(({ key }) => key === "");
    const all = named === undefined;
    this.#listener.applied(all ? events : events.filter(({ key }) => key !== ""));
    return named;
  }

  #checkName({ value, deleted }: WatchEvent): void {
    if (value === this.#name) return;
    if (deleted) this.#removedName = this.#name;
    // The member is looked for once more: it gets the name back, or has another store.
    throw new EtcdError("other name", "another program has changed the name under the bare prefix");
  }

  /** Reads the whole table: etcd has removed the history that the watch needs. */
  async #readAgain(compacted: number, failed: AbortSignal): Promise<void> {
    const from = this.#feed.revision + 1;
    await this.#read(failed);
    this.#listener.report(
      `etcd has compacted its history up to revision ${compacted}: writes from revision ${from} ` +
        `to ${this.#feed.revision} are not shown as REPLICATION. The table was read again`,
    );
  }

  async #read(failed: AbortSignal): Promise<void> {
    await this.#feed.load(failed);
    this.#listener.advanced(true);
  }

  #takeStatus(status: MemberStatus): void {
    this.#revision = status.revision;
    if (this.#status.update(status)) this.#listener.changed();
  }

  #found(): void {
    if (this.#whyNot === undefined) return;
    const lostMs = this.lostForMs!;
    this.#whyNot = undefined;
    this.#wasOpen = true;
    this.#lostAtMs = undefined;
    const after = this.#reportedLoss === "" ? "" : `, after ${(lostMs / 1_000).toFixed(1)} s`;
    this.#reportedLoss = "";
    const { revision } = this.#feed;
    this.#listener.report(
      `etcd at ${this.#url} answers, cluster ${this.#cluster}, revision ${revision}${after}`,
    );
    this.#listener.changed();
  }

  /** Reports an outage once, not at each try, and again if its kind changes. */
  #lost(error: Error): void {
    const known = error instanceof EtcdError;
    const kind = known ? error.kind : "unexpected";
    this.#whyNot = known ? explain(error) : error.message;
    this.#lostAtMs ??= performance.now();
    this.#client.renew();
    if (kind === "other data") this.#feed.unload();
    const loss = kind === "unreachable" ? "no answer" : kind;
    if (loss !== this.#reportedLoss) {
      const trying = kind === "other data" ? "" : ", trying again";
      const reads = this.#feed.loaded
        ? `. GETs are answered as of revision ${this.#feed.revision}`
        : "";
      this.#listener.report(`etcd at ${this.#url} is lost${trying}: ${this.#whyNot}${reads}`);
    }
    this.#reportedLoss = loss;
    this.#status.clear();
    this.#listener.changed();
  }
}

/**
 * The standard streams of a process.
 *
 * @module
 */

import type { Frames } from "../wire/frames.ts";
import { Interrupted, Keyboard } from "./keyboard.ts";
import { Output } from "./output.ts";
import { StandardStream } from "./standard_stream.ts";

/** Writes a text, in the order of the calls. Does not wait for the reader. */
export type Write = (text: string) => void;

/** Writes a text or parts of one, as {@linkcode Write} does. */
export type WriteParts = (text: Frames) => void;

/** The standard streams of a program. */
export interface Terminal {
  /** Lines from the keyboard or a pipe. */
  readonly keyboard: Keyboard;
  /** Standard output. */
  readonly out: WriteParts;
  /** Standard error. */
  readonly err: Write;
  /** Why standard output failed; `undefined` if it works, or if its reader closed it. */
  readonly outFailure?: Error | undefined;
  /**
   * Resolves when all texts so far are written, at the latest after `msMax` for each stream. A
   * program that waits for it between its texts loses none, however slow their reader is.
   */
  readonly flushed: (msMax?: number) => Promise<void>;
}

/** The standard streams, and what is known about standard output. */
export interface Screen extends Terminal {
  /** Whether standard output is a terminal. */
  readonly outIsTerminal: boolean;
  /** Whether standard output is a terminal that takes colours. */
  readonly colors: boolean;
  /** Whether nothing more can be written to standard output. */
  readonly outClosed: boolean;
  /** Catches Ctrl-C and SIGTERM, until the result is disposed of. */
  readonly catchSignals: () => CaughtSignals;
}

/** Ctrl-C and SIGTERM, which do not end the program meanwhile. */
export interface CaughtSignals extends Disposable {
  /** Aborted by the first of them, with an {@linkcode Interrupted} as its reason. */
  readonly signal: AbortSignal;
  /** Catches SIGHUP too, and calls `receive` with each signal from now on. Called once at most. */
  readonly passTo: (receive: (signal: Deno.Signal) => void) => void;
}

/** Most text that waits for the reader of standard output, in UTF-16 units. */
const outCharsMax = 8 * 1024 * 1024;

/** Most text that waits for the reader of standard error, in UTF-16 units. */
const errCharsMax = 1024 * 1024;

/** How many bytes of the input are read at once. More than a terminal has in one line. */
const readBytes = 64 * 1024;

/** The pause before a read from an empty non-blocking input is repeated, in milliseconds. */
const readRetryMs = 50;

const windows = Deno.build.os === "windows";

/** The signals that end a program, and the exit codes for them. */
const endingSignals: readonly [Deno.Signal, number][] = windows ? [["SIGINT", 130]] : [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
  ["SIGQUIT", 131],
];

/**
 * The signals that ask a command to end. SIGHUP and SIGQUIT are not caught, so that a command can be
 * ended at once.
 */
const stoppingSignals = endingSignals.filter(([signal]) =>
  signal === "SIGINT" || signal === "SIGTERM"
);

/** The signals that a command passes on to the program that it runs. */
const passedSignals = endingSignals.filter(([signal]) => signal !== "SIGQUIT");

/** The standard streams of this process. */
export function processTerminal(): Screen {
  const err = new Output(new StandardStream(Deno.stderr, { lineBuffered: false }), {
    unsentCharsMax: errCharsMax,
    onResume: tellGaps,
  });
  const out = new Output(new StandardStream(Deno.stdout, { lineBuffered: true, fileWriter }), {
    unsentCharsMax: outCharsMax,
    onResume: tellGaps,
    // Reported when it happens, because a server runs on without its output.
    onFailure: ({ message }) => err.write(`the output cannot be written: ${message}\n`),
  });
  Output.inOrder(out, err);

  function tellGaps(): void {
    if (err.dropping) return; // it is told when standard error is read again
    for (const [output, name] of [[out, "standard output"], [err, "standard error"]] as const) {
      const dropped = output.takeDropped();
      if (dropped === undefined) continue;
      err.write(
        `${dropped.lines} lines of ${name} were dropped from ${dropped.from.toISOString()} to ` +
          `${dropped.to.toISOString()}: its reader stopped, and the queue was full\n`,
      );
    }
  }

  const flushed = async (msMax?: number) => {
    await out.flushed(msMax);
    await err.flushed(msMax); // it may tell what standard output has dropped
  };
  const outIsTerminal = Deno.stdout.isTerminal();
  return {
    keyboard: new Keyboard(standardInput(), {
      write: out.write,
      complain: err.write,
      interactive: Deno.stdin.isTerminal(),
      flushed,
      hideTyping,
    }),
    out: out.write,
    err: err.write,
    flushed,
    outIsTerminal,
    catchSignals: () => {
      const caught = new AbortController();
      const stop = (code: number) => caught.abort(new Interrupted(code));
      const ignore = listenForSignals(stoppingSignals, stop);
      let ignorePassed = () => {};
      return {
        signal: caught.signal,
        passTo: (receive) => {
          ignorePassed = listenForSignals(passedSignals, (_, signal) => receive(signal));
        },
        [Symbol.dispose]: () => {
          ignore();
          ignorePassed();
        },
      };
    },
    colors: outIsTerminal && !Deno.noColor,
    get outClosed() {
      return out.closed;
    },
    get outFailure() {
      return out.failure;
    },
  };
}

/** Does {@linkcode StreamOptions.fileWriter} for standard output. */
async function fileWriter(): Promise<((bytes: Uint8Array) => number) | undefined> {
  // deno-lint-ignore house/import-direction -- a part of the runtime, which loads it for 30 ms
  const { fstatSync } = await import("node:fs");
  try {
    return fstatSync(1).isFile() ? (bytes) => Deno.stdout.writeSync(bytes) : undefined;
  } catch {
    return undefined; // it is closed
  }
}

/** Standard input. Another process may make it non-blocking: then an empty one is an error. */
function standardInput(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(readBytes);
      while (true) {
        try {
          const count = await Deno.stdin.read(buffer);
          if (count === null) return controller.close();
          return controller.enqueue(buffer.subarray(0, count));
        } catch (error) {
          if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, readRetryMs));
      }
    },
    cancel: () => Deno.stdin.close(),
  }, { highWaterMark: 0 }); // nothing is read before the terminal is told what to show
}

/** Does `KeyboardOptions.hideTyping`. Ctrl-Z is ignored: the shell would show what is typed. */
function hideTyping(onSignal: (code: number) => void): () => void {
  const ignore = listenForSignals(endingSignals, onSignal);
  const stay = () => {};
  if (!windows) Deno.addSignalListener("SIGTSTP", stay);
  Deno.stdin.setRaw(true, { cbreak: !windows });
  return () => {
    Deno.stdin.setRaw(false);
    ignore();
    if (!windows) Deno.removeSignalListener("SIGTSTP", stay);
  };
}

/** Calls `onSignal` for each of the signals, with the exit code of a program that it ends. Returns the end. */
function listenForSignals(
  signals: readonly (readonly [Deno.Signal, number])[],
  onSignal: (code: number, signal: Deno.Signal) => void,
): () => void {
  const listeners = signals.map(([signal, code]) =>
    [signal, () => onSignal(code, signal)] as const
  );
  for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
  };
}

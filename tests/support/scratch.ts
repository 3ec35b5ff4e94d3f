/** A temporary folder that is removed with its owner. */
export class Scratch implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "kv-test-" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

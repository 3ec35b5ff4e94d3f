/**
 * Makes files that are not regular ones, by programs of Unix. Deno has no call for a named pipe, and
 * its own for a symbolic link needs the permission for all files.
 *
 * @module
 */

/** Makes a symbolic link, which may dangle. */
export async function makeLink(target: string, path: string): Promise<void> {
  await run("ln", "-s", target, path);
}

/** Makes a named pipe. */
export async function makePipe(path: string): Promise<void> {
  await run("mkfifo", path);
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}

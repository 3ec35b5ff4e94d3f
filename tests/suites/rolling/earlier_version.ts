/**
 * A second checkout of the project: version 0.1.0, which knows only PUT and GET and the first format of the journal.
 *
 * @module
 */

/** The last commit of version 0.1.0 with protocol 1. */
const commit = "0e2a57f";
const project = new URL("../../../", import.meta.url);

/** Whether the checkout can be made: not in a shallow clone, and not without git. */
export async function hasEarlierVersion(): Promise<boolean> {
  try {
    await run("git", "cat-file", "-e", `${commit}^{commit}`);
    return true;
  } catch {
    return false;
  }
}

/** Makes the checkout in an empty folder, with the packages of this one. */
export async function checkOutEarlierVersion(folder: string): Promise<void> {
  const archive = `${folder}/earlier.tar`;
  await run("git", "archive", "--format=tar", `--output=${archive}`, commit);
  await run("tar", "-xf", archive, "-C", folder);
  await run("cp", "-R", "vendor", ".setup", folder);
}

/** Copies a folder to a place where there is none. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await run("cp", "-R", from, to);
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, cwd: project }).output();
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

/**
 * Files that processes lock, to take turns.
 *
 * @module
 */

/**
 * Opens the file to lock. Makes it, for its owner alone, if it is missing. Follows no symbolic link,
 * so it never makes a file elsewhere, and does not wait at a named pipe.
 *
 * @throws {Error} if something else than a regular file has this path.
 */
export async function openLockFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  if (!(await Deno.lstat(path)).isFile) throw new Error(`${path} is not a regular file`);
  return await Deno.open(path, { write: true });
}

export type DiskErrorCode = 'EBADF' | 'EEXIST' | 'EIO' | 'EISDIR' | 'ENOENT' | 'ENOSPC';

/** What an operating system says, with its code where Node puts it. */
export function diskError(code: DiskErrorCode, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${path}`), { code });
}

export function isDiskError(error: unknown): boolean {
  return typeof (error as { code?: unknown }).code === 'string';
}

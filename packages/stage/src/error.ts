/** Why a run could not write. `locked`: another run holds the root. `changed`: a file is no longer what the
 *  plan was made from. `exists`: an output's name is taken. `cross-device`: a mount point lies between the root and a file. */
export type StageErrorCode =
  | 'disk-full'
  | 'read-only'
  | 'permission'
  | 'locked'
  | 'symlink'
  | 'not-a-file'
  | 'changed'
  | 'exists'
  | 'cross-device'
  | 'io';

/** A failure that a person can mend. `path` is absolute; `message` begins with it; neither holds content of a file.
 *  Unless `message` says otherwise the root is as it was before the run. */
export class StageError extends Error {
  override readonly name = 'StageError';
  readonly code: StageErrorCode;
  readonly path: string;
  readonly mend: string;
  /** The process that holds the lock; only with `locked`. */
  readonly pid?: number;

  constructor(
    code: StageErrorCode,
    path: string,
    what: string,
    mend: string,
    more?: { cause?: unknown; pid?: number },
  ) {
    super(`${path}: ${what}`, more?.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.path = path;
    this.mend = mend;
    if (more?.pid !== undefined) this.pid = more.pid;
  }
}

/** Runs `step`; a failed system call becomes a StageError about `path`, everything else passes unchanged. */
export function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw asStageError(path, error);
  }
}

/** The StageError for a failed system call, or `error` itself when it is none. */
export function asStageError(path: string, error: unknown): unknown {
  if (error instanceof StageError) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const [code, what, mend] =
    failures[errno] ?? (['io', `the system reports ${errno}`, 'look at the system log for a failing disk'] as const);
  return new StageError(code, path, what, mend, { cause: error });
}

/** `ENOSPC`, `EACCES`, ... of a failed system call; undefined for any other value. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

type Failure = readonly [StageErrorCode, what: string, mend: string];

// Errors of open(2), write(2), fsync(2), link(2), rename(2), mkdir(2) and chown(2) that a user can cause.
const failures: { readonly [errno: string]: Failure | undefined } = {
  ENOSPC: [
    'disk-full',
    'no space or no inode is left on the file system',
    'free some space (df -h, df -i), then run again',
  ],
  EDQUOT: ['disk-full', 'the disk quota is used up', 'free some space or raise the quota, then run again'],
  EROFS: ['read-only', 'the file system is mounted read-only', 'remount it writable, or choose another folder'],
  EACCES: ['permission', 'permission denied', 'run as the user that owns the folder, or choose another folder'],
  EPERM: [
    'permission',
    'the operation is not permitted',
    'run as the owner, and look for an immutable attribute (lsattr)',
  ],
  EXDEV: [
    'cross-device',
    'the file lies on another file system or mount than its folder',
    'point the command at the folder inside that mount',
  ],
  ELOOP: ['symlink', 'there is a symbolic link in its place', 'replace the link by what it points to'],
  ENOTDIR: ['not-a-file', 'a part of the path is not a directory', 'move what is in the way'],
  EISDIR: ['not-a-file', 'there is a directory in the place of the file', 'move the directory away'],
  ENOENT: ['changed', 'it vanished during the run', 'let no other program change the folder meanwhile, then run again'],
  EMFILE: ['io', 'too many files are open in this process', 'raise the limit (ulimit -n), then run again'],
  ENFILE: ['io', 'too many files are open on this machine', 'raise fs.file-max, then run again'],
  ENAMETOOLONG: ['io', 'the path is too long for the file system', 'choose a folder with a shorter path'],
  EIO: ['io', 'the disk reports an input/output error', 'look at the system log for a failing disk'],
};

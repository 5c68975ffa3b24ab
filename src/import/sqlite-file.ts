import { chmod, constants, copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasCode, unlessAbsent } from '../error-code.ts'
import { importOptional } from './optional-package.ts'
import { SourceError } from './source.ts'

export type Columns = Record<string, unknown>

interface Statement {
  all: (...values: (number | string)[]) => Columns[]
  /** Without this, Node's SQLite throws at an integer over 2^53. */
  setReadBigInts?: (on: boolean) => void
}

/** The interface that Node's SQLite and the package share. */
interface Database {
  prepare: (sql: string) => Statement
  exec: (sql: string) => void
  close: () => void
}

/** The database without the methods that only this module calls. */
export type Reader = Pick<Database, 'prepare'>

type Open = new (path: string) => Database

/** Node's SQLite (22.13 and newer), without its experimental warning; undefined on an older Node. */
export function builtinSqlite(): Open | undefined {
  const emitWarning = process.emitWarning.bind(process)
  /* c8 ignore next -- called only where Node has SQLite, and only while it is an experiment */
  process.emitWarning = () => {}
  try {
    const sqlite: { DatabaseSync?: Open } = { ...process.getBuiltinModule('node:sqlite') }
    return sqlite.DatabaseSync
  } finally {
    process.emitWarning = emitWarning
  }
}

/**
 * Opens a copy of the database and its log, because reading may write: SQLite recovers after a crash, and creates files
 * beside a database with a write-ahead log. `time` is the modification time in seconds since 1970. With null in place
 * of Node's SQLite the package is used. Throws SourceError.
 */
export async function openSqlite(file: string, builtin: Open | null | undefined = builtinSqlite()) {
  const Sqlite = builtin ?? (await importPackage()).default.Database
  await removeLeftOver()
  const folder = await mkdtemp(join(tmpdir(), `kss-import-${process.pid}-`))
  let database: Database | undefined
  const close = async (): Promise<void> => {
    database?.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const time = await copyWhole(file, join(folder, 'copy'))
    database = new Sqlite(join(folder, 'copy'))
    // The package reads a write-ahead log only in exclusive mode.
    database.exec('pragma locking_mode = exclusive')
    database.exec('select count(*) from sqlite_schema')
    return { database: withNumbers(database), time, close }
  } catch (error) {
    await close()
    if (error instanceof SourceError) throw error
    const reason = hasCode(error, 'ENOENT') ? 'is not there' : `cannot be read as SQLite: ${(error as Error).message}`
    throw new SourceError(`${file} ${reason}`, { cause: error })
  }
}

/** Removes the copies of killed imports, because they contain keys. */
async function removeLeftOver(): Promise<void> {
  const left = (await readdir(tmpdir())).filter((name) => {
    const [, pid] = /^kss-import-(\d+)-/.exec(name) ?? []
    return pid !== undefined && !isRunning(Number(pid))
  })
  // Copies of another user cannot be removed.
  await Promise.allSettled(left.map((name) => rm(join(tmpdir(), name), { recursive: true })))
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return !hasCode(error, 'ESRCH')
  }
}

/** Converts the big integers of rows to numbers. */
function withNumbers(database: Database): Reader {
  const prepare = (sql: string): Statement => {
    const statement = database.prepare(sql)
    /* c8 ignore next -- only Node's own SQLite has it, which Node 20 lacks */
    statement.setReadBigInts?.(true)
    return { all: (...values) => statement.all(...values).map(toNumbers) }
  }
  return { prepare }
}

function toNumbers(columns: Columns): Columns {
  const entries = Object.entries(columns).map(([name, value]) => [
    name,
    typeof value === 'bigint' ? Number(value) : value,
  ])
  return Object.fromEntries(entries) as Columns
}

async function importPackage(): Promise<{ default: { Database: Open } }> {
  return await importOptional('node-sqlite3-wasm', '0.8')
}

/** Copies the database, its write-ahead log and its rollback journal. Throws SourceError when they change meanwhile. */
async function copyWhole(file: string, copy: string): Promise<number> {
  const before = await timesOf(file)
  for (const suffix of suffixes) {
    try {
      await copyFile(file + suffix, copy + suffix, constants.COPYFILE_FICLONE)
      // The copied mode could forbid SQLite to write to the copy.
      await chmod(copy + suffix, 0o600)
    } catch (error) {
      if (suffix === '' || !hasCode(error, 'ENOENT')) throw error
    }
  }
  const after = await timesOf(file)
  if (String(after) !== String(before)) {
    throw new SourceError(`${file} is being written to. Stop the server that uses it, and try again`)
  }
  return Math.floor(Math.max(...after) / 1000)
}

const suffixes = ['', '-wal', '-journal']

/** Modification time in milliseconds; 0 when the file does not exist. */
async function timesOf(file: string): Promise<number[]> {
  return await Promise.all(suffixes.map(async (suffix) => (await unlessAbsent(stat(file + suffix)))?.mtimeMs ?? 0))
}

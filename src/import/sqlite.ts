import { readTime } from '../foreign-time.ts'
import { fromFloat32 } from './kosync-record.ts'
import { SourceError, type ImportedUser, type Problem, type Source } from './source.ts'
import { openSqlite, type Reader } from './sqlite-file.ts'
import type { Id, Schema } from './sqlite-schemas.ts'
import { orphanProblem, toUser, type Row } from './to-user.ts'

/** Reads a server's SQLite database. */
export async function* readSqlite(file: string, schema: Schema): Source {
  const { database, time, close } = await openSqlite(file)
  try {
    yield* readUsers(database, time, schema)
  } catch (error) {
    const line = `${file} is not a database of ${schema.name}, which has the tables ${schema.tables}`
    throw new SourceError(`${line}: ${(error as Error).message}`, { cause: error })
  } finally {
    await close()
  }
}

function* readUsers(database: Reader, time: number, schema: Schema): Generator<ImportedUser | Problem> {
  const { keyPattern, prepare = () => (_id, records) => records.map((fields) => ({ fields })) } = schema
  const progress = database.prepare(schema.progress)
  const toRows = prepare(database)
  for (const { id, username, key } of database.prepare(schema.users).all()) {
    // A name that is no text is a problem, and where it is the id too nothing can be asked for with it.
    const rows = typeof username === 'string' ? toRows(id as Id, progress.all(id as Id)) : []
    yield* toUser({ username, key, keyPattern }, rows.map(readNumbers), time)
  }
  for (const { id, records } of database.prepare(schema.orphans).all()) yield orphanProblem(id, Number(records))
}

/** Servers in Go and Rust store the percentage as a float32. */
function readNumbers({ fields, ...rest }: Row): Row {
  const { timestamp, percentage } = fields
  return { ...rest, fields: { ...fields, timestamp: readTime(timestamp), percentage: fromFloat32(percentage) } }
}

import { SourceError, type ImportedUser, type Problem, type Source } from './source.ts'
import { openSqlite, type Columns, type Database } from './sqlite-file.ts'
import { readTime } from '../foreign-time.ts'
import { toUser, type Row } from './to-user.ts'

/** What differs between the servers that keep users and progress in SQLite. */
interface Schema {
  name: string
  /** Named to who took the wrong file. */
  tables: string
  /** Gives id, username and key. */
  users: string
  /** Gives the records of the user with this id. */
  progress: string
  /** The hashes that foreign-hash.ts checks. */
  keyPattern: RegExp
  /** Makes what makes rows of the records of the user with this id. */
  prepare: (database: Database) => (id: number, records: Columns[]) => Row[]
}

const koinsight: Schema = {
  name: 'KoInsight',
  tables: 'user and progress',
  users: 'select id, username, password_hash as key from user order by id',
  progress: `select document, progress, percentage, device, device_id, coalesce(updated_at, created_at) as timestamp
    from progress where user_id = ? order by id`,
  keyPattern: /^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/,
  prepare: () => (_id, records) => records.map((fields) => ({ fields })),
}

const crosspointSync: Schema = {
  name: 'crosspoint-sync',
  tables: 'users, progress and documents',
  users: 'select id, username, key_hash as key from users order by id',
  progress: `select document, progress, percentage, device, device_id, updated_at as timestamp
    from progress where user_id = ? order by updated_at`,
  keyPattern: /^pbkdf2\$[1-9]\d{0,5}\$[^$]{1,128}\$[0-9a-f]{64}$/i,
  prepare: prepareCrosspoint,
}

/** Reads the database of KoInsight; its keys are bcrypt hashes. @see https://github.com/GeorgeSG/KoInsight */
export function readKoinsight(file: string): Source {
  return read(file, koinsight)
}

/** Reads the database of crosspoint-sync; its keys are PBKDF2 hashes. @see https://github.com/crosspoint-reader/crosspoint-sync */
export function readCrosspointSync(file: string): Source {
  return read(file, crosspointSync)
}

async function* read(file: string, schema: Schema): Source {
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

function* readUsers(database: Database, time: number, schema: Schema): Generator<ImportedUser | Problem> {
  const progress = database.prepare(schema.progress)
  const toRows = schema.prepare(database)
  for (const { id, username, key } of database.prepare(schema.users).all()) {
    const records = progress.all(Number(id))
    const timed = records.map((record) => ({ ...record, timestamp: readTime(record['timestamp']) }))
    yield* toUser({ username, key, keyPattern: schema.keyPattern }, toRows(Number(id), timed), time)
  }
}

/** One book may have two ids there: each of them finds the place here too. */
function prepareCrosspoint(database: Database): (id: number, records: Columns[]) => Row[] {
  const documents = prepareByUser(database, 'documents')
  const aliases = prepareByUser(database, 'document_aliases')
  return (id, records) => {
    const known = new Map(documents(id).map((columns) => [columns['document'], columns]))
    const rows = records.map((fields) => describe(fields, known.get(fields['document'])))
    const again = aliases(id).flatMap(({ alias, document }) => {
      const same = rows.filter(({ fields }) => fields['document'] === document)
      return same.map(({ fields, ...rest }) => ({ fields: { ...fields, document: alias }, ...rest }))
    })
    return [...rows, ...again]
  }
}

/** What is known of the document; a title that its user typed is more than what the book says. */
function describe(fields: Columns, { title, author, filename, meta_manual }: Columns = {}): Row {
  const said = Object.entries({ filename, title, authors: author }).filter(([, value]) => typeof value === 'string')
  const row = said.length > 0 ? { ...fields, metadata: Object.fromEntries(said) } : fields
  return { fields: row, ...(meta_manual === 1 && typeof title === 'string' && { title }) }
}

/** All columns, as older releases have fewer; no rows where the release has no such table. */
function prepareByUser(database: Database, table: 'documents' | 'document_aliases'): (id: number) => Columns[] {
  const found = database.prepare(`select name from sqlite_schema where name = '${table}'`).all()
  if (found.length === 0) return () => []
  const statement = database.prepare(`select * from ${table} where user_id = ?`)
  return (id) => statement.all(id)
}

import type { Columns, Reader } from './sqlite-file.ts'
import type { Row } from './to-user.ts'
import { plainKey } from './wire-rules.ts'

/** The schema of one server that keeps users and positions in SQLite. */
export interface Schema {
  name: string
  /** The tables' names, for the error when the file belongs to another server. */
  tables: string
  /** Selects id, username and key; without the key when kss cannot check that server's hashes. */
  users: string
  /** Selects the records of the user with this id, the newest of a document last, with the column names of the wire. */
  progress: string
  /** Selects the users that are gone, and how many records each has left. */
  orphans: string
  /** Matches valid keys, or hashes that foreign-hash.ts can check. */
  keyPattern: RegExp
  /** Returns a function that converts a user's records to rows; left out when each record is a row. */
  prepare?: (database: Reader) => (id: Id, records: Columns[]) => Row[]
}

/** The type of a server's user ids. */
export type Id = number | string

/** Schemas by the kind of `kss import`. */
export const schemas: Record<string, Schema> = {
  // bcrypt. https://github.com/GeorgeSG/KoInsight
  koinsight: {
    name: 'KoInsight',
    tables: 'user and progress',
    users: 'select id, username, password_hash as key from user order by id',
    progress: `select document, progress, percentage, device, device_id, coalesce(updated_at, created_at) as timestamp
      from progress where user_id = ? order by id`,
    orphans: `select user_id as id, count(*) as records from progress
      where not exists (select 1 from user where user.id = user_id) group by user_id`,
    keyPattern: /^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/,
  },
  // PBKDF2. https://github.com/crosspoint-reader/crosspoint-sync
  'crosspoint-sync': {
    name: 'crosspoint-sync',
    tables: 'users, progress and documents',
    users: 'select id, username, key_hash as key from users order by id',
    progress: `select document, progress, percentage, device, device_id, updated_at as timestamp
      from progress where user_id = ? order by updated_at`,
    orphans: `select user_id as id, count(*) as records from progress
      where not exists (select 1 from users where users.id = user_id) group by user_id`,
    keyPattern: /^pbkdf2\$[1-9]\d{0,5}\$[^$]{1,128}\$[0-9a-f]{64}$/i,
    prepare: prepareCrosspoint,
  },
  // https://github.com/yeeac/kosyncsrv
  kosyncsrv: {
    name: 'kosyncsrv',
    tables: 'user and document',
    users: 'select username as id, username, password as key from user order by rowid',
    progress: `select documentid as document, progress, percentage, device, nullif(device_id, '') as device_id, timestamp
      from document where username = ? order by timestamp`,
    orphans: `select username as id, count(*) as records from document
      where not exists (select 1 from user where user.username = document.username) group by username`,
    keyPattern: plainKey,
  },
  // Argon2, which Node.js cannot check. https://github.com/pborzenkov/koreader-syncd
  'koreader-syncd': {
    name: 'koreader-syncd',
    tables: 'users and progress',
    users: 'select username as id, username from users order by username',
    progress: `select document, progress, percentage, device, device_id, timestamp
      from progress where username = ? order by timestamp`,
    orphans: `select username as id, count(*) as records from progress
      where not exists (select 1 from users where users.username = progress.username) group by username`,
    keyPattern: plainKey,
  },
}

const kosyncColumns = `title, current_location as progress, progress as percentage, last_read_on_device as device,
  nullif(last_read_on_device_id, '') as device_id, last_read_at as timestamp`

/** KOsync 2026.05 and newer. @see https://git.obth.eu/atjontv/kosync */
export const kosync: Schema = {
  name: 'KOsync',
  tables: 'users, documents and document_history',
  users: 'select id, username, password as key from users where deleted_at is null order by username',
  progress: `select id as document, ${kosyncColumns} from documents where owner_id = ? and deleted_at is null`,
  orphans: `select owner_id as id, count(*) as records from documents
    where deleted_at is null and not exists (select 1 from users where users.id = owner_id) group by owner_id`,
  keyPattern: plainKey,
  prepare: prepareKosync,
}

/** History rows first, then the current record. Deleted documents are left out. */
function prepareKosync(database: Reader): (id: Id, records: Columns[]) => Row[] {
  const columns = database.prepare("select name from pragma_table_info('document_history')").all()
  const named = columns.some(({ name }) => name === 'document_id') ? 'document_id' : 'id'
  const history = database.prepare(`select ${named} as document, ${kosyncColumns} from document_history
    where owner_id = ? and deleted_at is null and current_location <> '' order by rowid`)
  return (id, records) => {
    const titles = new Map(records.map(({ document, title }) => [document, title]))
    const before = history.all(id).filter(({ document }) => titles.has(document))
    return [...before, ...records].map(({ title: _title, ...fields }) => {
      const title = titles.get(fields['document'])
      return { fields, ...(typeof title === 'string' && title !== '' && { title }) }
    })
  }
}

/** A book may have two ids on that server: both get the position here, too. */
function prepareCrosspoint(database: Reader): (id: Id, records: Columns[]) => Row[] {
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

/** The metadata of the document. A title that the user typed wins over the title in the book. */
function describe(fields: Columns, { title, author, filename, meta_manual }: Columns = {}): Row {
  const said = Object.entries({ filename, title, authors: author }).filter(([, value]) => typeof value === 'string')
  const row = said.length > 0 ? { ...fields, metadata: Object.fromEntries(said) } : fields
  return { fields: row, ...(meta_manual === 1 && typeof title === 'string' && { title }) }
}

/** Selects all columns, since older releases have fewer. Returns no rows when the table does not exist. */
function prepareByUser(database: Reader, table: 'documents' | 'document_aliases'): (id: Id) => Columns[] {
  const found = database.prepare(`select name from sqlite_schema where name = '${table}'`).all()
  if (found.length === 0) return () => []
  const statement = database.prepare(`select * from ${table} where user_id = ?`)
  return (id) => statement.all(id)
}

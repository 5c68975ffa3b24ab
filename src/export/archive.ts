import { manifestFile, type ArchivedFile } from '../backup/backup.ts'
import { authFile, formatAuth } from '../store/file-store/files/auth-file.ts'
import { toFileName } from '../store/file-store/files/file-name.ts'
import { formatRecord } from '../store/file-store/files/read-record.ts'
import { registrationName } from '../store/file-store/files/registration-file.ts'
import { rowOf } from '../store/file-store/files/rows.ts'
import type { ExportedDocument, Registration, User } from '../store/store.ts'

/** The archive that a backup makes of a folder, of accounts that are in no folder. Of `registration` only if it is given. */
export async function* archiveOf(
  users: AsyncIterable<User> | Iterable<User>,
  documentsOf: (user: User) => AsyncIterable<ExportedDocument>,
  registration?: Registration,
): AsyncGenerator<ArchivedFile> {
  yield manifestFile()
  if (registration) yield fileOf(registrationName, `${JSON.stringify(registration)}\n`)
  for await (const user of users) {
    const folder = toFileName(user.username)
    yield fileOf(`${folder}/${authFile}`, authOf(user))
    for await (const { record, rows } of documentsOf(user)) {
      const stem = toFileName(record.document)
      yield fileOf(`${folder}/${stem}.json`, formatRecord(record))
      yield fileOf(`${folder}/history/${stem}.jsonl`, rows.map((row) => formatRecord(rowOf(row))).join(''))
    }
  }
}

function authOf({ username, key, account, quota, disabled, adopted, admin }: User): string {
  const fields = {
    'x-auth-user': username,
    'x-auth-key': key,
    ...(disabled && { disabled }),
    ...(adopted && { adopted }),
    ...(admin && { admin }),
    ...(quota?.documents !== undefined && { quota_documents: quota.documents }),
    ...(quota?.bytes !== undefined && { quota_bytes: quota.bytes }),
  }
  return formatAuth(fields, account)
}

function fileOf(name: string, text: string): ArchivedFile {
  return { name, bytes: Buffer.from(text), mtime: new Date() }
}

import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'

/** A line of the journal of kss 0.1. */
export function journalLine(json: string): string {
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}

/** The line for a push; `push` is its JSON. */
export function pushLine(path: string, push: string, isRow: boolean): string {
  return journalLine(`{${placeOf(path)},"push":${push}${isRow ? '' : ',"row":false'}}`)
}

/** One line for all pushes of a document that count; `rows` and `record` are JSON. */
export function keptLine(path: string, rows: string[], record: string): string {
  return journalLine(`{${placeOf(path)},"kept":{"rows":[${rows.join()}],"record":${record}}}`)
}

/** The line after which nothing that stands before counts for the folder. */
export function voidLine(folder: string): string {
  return journalLine(JSON.stringify({ folder: basename(folder) }))
}

function placeOf(path: string): string {
  const [folder, file] = [basename(dirname(path)), basename(path)].map((name) => JSON.stringify(name))
  return `"folder":${folder},"file":${file}`
}

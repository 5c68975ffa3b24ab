import { stdin } from 'node:process'
import { plain } from '../plain.ts'
import { filenameMd5, partialMd5, partialMd5OfStream } from '../document-id.ts'

/** Both document ids of one book; the filename id is not there for standard input. */
export interface BookIds {
  file: string
  binary: string
  filename?: string
}

/** `-` stands for standard input. Rejects as the file system does. */
export async function hashBook(file: string): Promise<BookIds> {
  if (file === '-') return { file, binary: await partialMd5OfStream(stdin) }
  return { file, binary: await partialMd5(file), filename: filenameMd5(file) }
}

/** Two lines a book, as `md5sum` prints them, with the kind of id between. */
export function formatBookIds({ file, binary, filename }: BookIds): string {
  const lines = [`${binary}  binary    ${plain(file)}`, ...(filename ? [`${filename}  filename  ${plain(file)}`] : [])]
  return lines.map((line) => `${line}\n`).join('')
}

import { stdin } from 'node:process'
import { plain } from '../plain.ts'
import { filenameMd5, partialMd5, partialMd5OfStream } from '../document-id.ts'

/** Both document ids of one book; standard input has no filename id. */
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

/** Formats two lines per book like `md5sum`, with the kind of the id in the middle. */
export function formatBookIds({ file, binary, filename }: BookIds): string {
  const lines = [`${binary}  binary    ${plain(file)}`, ...(filename ? [`${filename}  filename  ${plain(file)}`] : [])]
  return lines.map((line) => `${line}\n`).join('')
}

import { Parser } from 'htmlparser2'
import type { Readable } from 'node:stream'

/** What a parse tells of. Names are in lower case, without their prefix. */
export interface Markup {
  onOpen?: (name: string, attributes: Record<string, string>) => void
  onText?: (text: string) => void
  onClose?: (name: string) => void
}

/** Reads XML, or what passes for it in ebooks: nothing is an error. A part at a time, so that others get their turn. */
export async function parseMarkup(source: Readable, markup: Markup): Promise<void> {
  const parser = new Parser(
    {
      onopentag: (name, attributes) => markup.onOpen?.(bare(name), attributes),
      ontext: (text) => markup.onText?.(text),
      onclosetag: (name) => markup.onClose?.(bare(name)),
    },
    { xmlMode: true },
  )
  let decoder: InstanceType<typeof TextDecoder> | undefined
  for await (const chunk of source as AsyncIterable<Buffer>) {
    decoder ??= new TextDecoder(encodingOf(chunk))
    parser.write(decoder.decode(chunk, { stream: true }))
  }
  parser.end()
}

function bare(name: string): string {
  return name.slice(name.indexOf(':') + 1).toLowerCase()
}

/** As its first bytes say. */
function encodingOf(chunk: Buffer): string {
  if (chunk[0] === 0xff && chunk[1] === 0xfe) return 'utf-16le'
  if (chunk[0] === 0xfe && chunk[1] === 0xff) return 'utf-16be'
  const label = /^[^>]*?encoding\s*=\s*["']([\w-]+)/.exec(chunk.subarray(0, 200).toString('latin1'))?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(label).encoding
  } catch {
    return 'utf-8'
  }
}

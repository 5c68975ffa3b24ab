import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A string that begins with a dash is an error. */
type Value = string | Record<string, string>

/** What answers as Redis does to what the importer asks, SCAN with one of the pages; its host and port. Characters are bytes. */
export async function startFakeRedis(t: Test, data: Record<string, Value>, pages: string[][]): Promise<string> {
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy())
    let text = ''
    socket.on('data', (chunk) => {
      const commands = parse(text + chunk.toString('latin1'))
      text = commands.rest
      for (const words of commands.whole) socket.write(answer(words, data, pages), 'latin1')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The commands that are there as a whole, in ASCII: `*1\r\n$4\r\nPING\r\n`. */
function parse(text: string): { whole: string[][]; rest: string } {
  const whole: string[][] = []
  let rest = text
  for (;;) {
    const [head = '', count] = /^\*(\d+)\r\n/.exec(rest) ?? []
    const lines = rest.slice(head.length).split('\r\n')
    const length = Number(count) * 2
    if (count === undefined || lines.length <= length) return { whole, rest }
    whole.push(lines.slice(0, length).filter((_line, at) => at % 2 === 1))
    rest = lines.slice(length).join('\r\n')
  }
}

function answer([command, ...words]: string[], data: Record<string, Value>, pages: string[][]): string {
  const [key = '', ...rest] = words
  const value = data[key]
  if (command === 'SELECT') return '+OK\r\n'
  if (command === 'SCAN') {
    const page = Number(key)
    return `*2\r\n${bulk(String((page + 1) % pages.length))}${list(pages[page] ?? [])}`
  }
  if (typeof value === 'string' && value.startsWith('-')) return `${value}\r\n`
  if (command === 'HMGET') return typeof value === 'string' ? wrongType : list(rest.map((field) => value?.[field]))
  return typeof value === 'object' ? wrongType : bulk(value)
}

const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'

function list(values: (string | undefined)[]): string {
  return `*${values.length}\r\n${values.map(bulk).join('')}`
}

function bulk(value: string | undefined): string {
  return value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`
}

import { connect } from 'node:net'

/** How many characters the answer at the start of the text has; 0 when it is not whole yet. Throws unless it is a 200. */
export function answerLength(text: string): number {
  const head = text.indexOf('\r\n\r\n')
  if (head === -1) return 0
  const [, bytes] = /\r\ncontent-length: (\d+)\r\n/i.exec(text) ?? []
  if (!text.startsWith('HTTP/1.1 200 ') || bytes === undefined) throw new Error(`Unexpected answer: ${text}`)
  const length = head + 4 + Number(bytes)
  return text.length >= length ? length : 0
}

/** The body of the answer. */
export function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf('\r\n\r\n') + 4)
}

/** Sends one request over a connection of its own, and resolves to the whole answer, a character for each byte. */
export function ask(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1')
    socket.on('error', reject).on('close', () => reject(new Error(`Closed after: ${text}`)))
    socket.on('data', (chunk) => {
      text += chunk
      if (answerLength(text) === 0) return
      socket.destroy()
      resolve(text)
    })
    socket.write(request, 'latin1')
  })
}

/** Throws when the two servers answer a request differently, but for the time and the order of the headers. */
export async function compareAnswers(ports: number[], request: string): Promise<void> {
  const [first, ...others] = await Promise.all(ports.map(async (port) => comparable(await ask(port, request))))
  for (const other of others) {
    if (other !== first) throw new Error(`The bare server does not answer as kss does:\n${first}\n\n${other}`)
  }
}

function comparable(answer: string): string {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const lines = head.toLowerCase().split('\r\n').toSorted()
  const headers = lines.filter((line) => !line.startsWith('date: ')).join('\n')
  return `${headers}\n\n${body.replace(/"timestamp":\d+/, '"timestamp":0')}`
}

export interface Answer {
  status: number
  headers: Map<string, string>
  body: string
}

/** The whole answers at the start of the text, a character for each byte, and what follows them. */
export function parseAnswers(text: string, bodiless: number): { answers: Answer[]; rest: string } {
  const answers: Answer[] = []
  let rest = text
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    const [, status, lines = ''] = /^HTTP\/1\.1 ([1-5]\d\d) [\w ]+((?:\r\n[\w-]+: [ -~]+)*)\r\n\r\n/.exec(rest) ?? []
    if (end === -1 || status === undefined) return { answers, rest }
    const headers = new Map(lines.split('\r\n').slice(1).map(parseHeader))
    const length = answers.length < bodiless ? 0 : Number(headers.get('content-length') ?? 0)
    if (rest.length < end + 4 + length) return { answers, rest }
    answers.push({ status: Number(status), headers, body: rest.slice(end + 4, end + 4 + length) })
    rest = rest.slice(end + 4 + length)
  }
}

/** The status, and the code of an error. */
export function summaryOf({ status, body }: Answer): string {
  const { code } = parseJson(body)
  return code === undefined ? `${status}` : `${status} ${JSON.stringify(code)}`
}

/** What no answer may be, whatever it answers. */
export function problemsOf({ status, headers, body }: Answer, bodiless: boolean): string[] {
  const problems: string[] = []
  if (status >= 500) problems.push(`${status} is a fault of the server`)
  if (status < 200) return problems
  if (headers.get('cache-control') !== 'no-store') problems.push('no Cache-Control: no-store')
  if (headers.get('x-content-type-options') !== 'nosniff') problems.push('no X-Content-Type-Options: nosniff')
  if (status === 204) return problems
  const type = headers.get('content-type')
  if (type !== 'application/json') problems.push(`Content-Type is ${type}`)
  if (!/^\d+$/.test(headers.get('content-length') ?? '')) problems.push('no Content-Length')
  if (!bodiless && !isRightBody(status, parseJson(body))) problems.push(`the body of ${status} is ${body}`)
  return problems
}

function isRightBody(status: number, { code, message, ...others }: Record<string, unknown>): boolean {
  if (status < 400) return code === undefined && message === undefined
  return Number.isInteger(code) && typeof message === 'string' && message !== '' && Object.keys(others).length === 0
}

function parseHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)]
}

/** The object, or for what is none one that is right for no status. */
function parseJson(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    return { message: '' }
  }
}

// npm run size: the figures of docs/architecture.md, measured.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import ts from 'typescript'

const sources = join(import.meta.dirname, '..', 'src')

/** What a server needs to serve readers: neither the store on Redis, which is loaded when it is asked for, nor that of tests. */
const core = /^(bin|app|commands\/serve)\.ts$|^(kosync|accounts)\/|^store\/(?!redis-store\/|memory-)/

const mostLines = 40

const files = readdirSync(sources, { recursive: true })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, ...measure(path) }))
  .toSorted((one, other) => other.lines - one.lines)

const ofCore = files.filter(({ path }) => core.test(path))
const codeOf = (some) => some.reduce((sum, { code }) => sum + code, 0)
console.log(`Lines with code (not blank, not only a comment): ${codeOf(files)} in ${files.length} files`)
console.log(
  `  of them in the server core (bin, serve, app, kosync, accounts, store with file-store): ${codeOf(ofCore)} in ${ofCore.length}`,
)
console.log(`Lines of a file, of any kind: median ${files[Math.floor(files.length / 2)].lines}; the largest:`)
for (const { path, lines } of files.slice(0, 8)) console.log(`  ${lines} ${path}`)
const long = files.flatMap(({ path, functions }) => functions.map((each) => `  ${each.lines} ${each.name} in ${path}`))
console.log(`Functions over ${mostLines} lines: ${long.length}`)
if (long.length > 0) console.log(long.join('\n'))
for (const [request, ways] of Object.entries(await measureWays())) {
  console.log(`Files in which a function runs for one ${request}: ${ways.length}`)
  for (const way of ways) console.log(`  ${way}`)
}

/** In a process of its own, whose log is not wanted. */
async function measureWays() {
  await import('./modules.js')
  const child = fork(join(import.meta.dirname, 'way.js'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [ways] = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [{}])])
  return ways
}

function measure(path) {
  const text = readFileSync(join(sources, path), 'utf8')
  const file = ts.createSourceFile(basename(path), text, ts.ScriptTarget.Latest, true)
  const lineOf = (position) => file.getLineAndCharacterOfPosition(position).line
  const code = new Set()
  const functions = []
  const visit = (node) => {
    const [start, end] = [lineOf(node.getStart(file)), lineOf(node.end)]
    // A leaf is a token; only a template is one of many lines.
    if (node.getChildCount(file) === 0) for (let line = start; line <= end; line++) code.add(line)
    const lines = end - start + 1
    if (ts.isFunctionLike(node) && node.body && lines > mostLines) functions.push({ name: nameOf(node), lines })
    for (const child of node.getChildren(file)) if (!ts.isJSDoc(child)) visit(child)
  }
  visit(file)
  // The end of the file is a token, too, after its last line.
  code.delete(lineOf(file.endOfFileToken.end))
  return { lines: text.split('\n').length - 1, code: code.size, functions }
}

function nameOf(node) {
  return node.name?.getText() ?? node.parent?.name?.getText?.() ?? 'a function without a name'
}

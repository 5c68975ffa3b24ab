import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } }

const root = join(import.meta.dirname, '..')
const cache = join(root, '.compiled')

/** JavaScript, with a map to the source in it. */
export async function compile(text, path) {
  const { transform } = await import('esbuild')
  const { code } = await transform(text, {
    loader: 'ts',
    target: 'node20.19',
    sourcefile: path,
    sourcemap: 'inline',
    sourcesContent: false,
    tsconfigRaw,
  })
  return code
}

/** The same, kept for the next process that imports it, beside a hash of the source. */
async function compileOnce(text, path) {
  const compiled = join(cache, `${relative(root, path)}.js`)
  const note = `\n// ${createHash('sha256').update(text).digest('hex')}\n`
  const kept = readIfAny(compiled)
  if (kept?.endsWith(note)) return kept
  const code = (await compile(text, path)) + note
  mkdirSync(dirname(compiled), { recursive: true })
  const temporary = `${compiled}.${process.pid}`
  writeFileSync(temporary, code)
  renameSync(temporary, compiled)
  return code
}

function readIfAny(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The hook of Node's loader. */
export async function load(url, context, next) {
  if (!new URL(url).pathname.endsWith('.ts')) return next(url, context)
  const loaded = await next(url, { ...context, format: 'module' })
  return { ...loaded, source: await compileOnce(Buffer.from(loaded.source).toString(), fileURLToPath(url)) }
}

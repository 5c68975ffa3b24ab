import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'

const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } }

/** JavaScript, with a map to the source in it. */
export async function compile(text, path) {
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

/** The hook of Node's loader. */
export async function load(url, context, next) {
  if (!new URL(url).pathname.endsWith('.ts')) return next(url, context)
  const loaded = await next(url, { ...context, format: 'module' })
  return { ...loaded, source: await compile(Buffer.from(loaded.source).toString(), fileURLToPath(url)) }
}

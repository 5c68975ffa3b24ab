import { readFile } from 'node:fs/promises'
import * as esbuild from 'esbuild'

/** Parts of Fastify that kss never loads: they make validators and serializers at run time, and requests for tests. */
export const neverLoaded = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request']

/** Each is for one importer, and is installed when it is needed. */
const optional = ['@msgpack/msgpack', '@redis/client', 'node-sqlite3-wasm']

/** Packages in CommonJS ask for the modules of Node with it. */
const banner = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);"

/**
 * Bundles modules with all that they import, split so that what is imported lazily is loaded lazily, and with maps to
 * our own sources. Nothing is renamed or shortened, so that a stack trace can be read without a map.
 *
 * @param {{
 *   entryPoints: Record<string, string>
 *   folder: string
 *   plugins?: esbuild.Plugin[]
 *   packages?: 'bundle' | 'external'
 * }} options `entryPoints`: the path of each by its name in the folder. `packages`: whether they are in the bundle.
 */
export async function bundle({ entryPoints, folder, plugins = [], packages = 'bundle' }) {
  return await esbuild.build({
    entryPoints,
    outdir: folder,
    plugins: packages === 'bundle' ? [...plugins, withoutMaps] : plugins,
    packages,
    external: [...neverLoaded, ...optional],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    banner: { js: banner },
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    // The rejection says it.
    logLevel: 'silent',
  })
}

/** Leaves packages out of the maps, which would be ten times as long: one without a source of its own ends a map. */
const withoutMaps = {
  name: 'without-maps',
  setup(build) {
    build.onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, async ({ path }) => {
      const none = Buffer.from('{"version":3,"sources":[""],"mappings":"A"}').toString('base64')
      const text = await readFile(path, 'utf8')
      return { contents: `${text}\n//# sourceMappingURL=data:application/json;base64,${none}`, loader: 'js' }
    })
  },
}

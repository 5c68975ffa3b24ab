import { build } from 'esbuild'

/**
 * Bundles the modules with all of ours that they import, split so that what is imported lazily is loaded lazily.
 * Packages stay outside. No name is changed, so that a stack trace can be read without its map.
 *
 * @param {{
 *   entryPoints: Record<string, string>
 *   folder: string
 *   plugins?: import('esbuild').Plugin[]
 * }} options `entryPoints`: the path of each by its name in the folder.
 */
export async function bundle({ entryPoints, folder, plugins = [] }) {
  await build({
    entryPoints,
    outdir: folder,
    plugins,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    sourcemap: true,
    // The caller is told by the rejection.
    logLevel: 'silent',
  })
}

import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import { bundle } from '../build/bundle.js'

const project = join(import.meta.dirname, '..')

/** A deliberate bug in a source. */
export interface Mutant {
  /** In src/. */
  file: string
  /** Stands in the file exactly once, whatever its white space. */
  text: string
  /** Put in its place. */
  by: string
}

/** A build of a test's own, to be run in a process of its own. */
export interface OwnBuild {
  /** In place of the project's bin/kss.cjs. */
  launcher: string
  /** The path of each module that was asked for. */
  modules: Record<string, string>
}

/**
 * Builds the modules into a new folder, from the present sources, by the path of each from the project's; with a
 * mutant, if there is one. Rejects when its text is not in its file, or more than once.
 */
export async function buildOwn(folder: string, modules: string[], mutant?: Mutant): Promise<OwnBuild> {
  const plugins = mutant ? [mutate(mutant, await readMutated(mutant))] : []
  const named = modules.map((path) => [path.replace(/^src\/|\.ts$/g, ''), join(project, path)])
  await mkdir(folder, { recursive: true })
  const dist = join(folder, 'dist')
  await bundle({ entryPoints: Object.fromEntries(named), folder: dist, plugins, packages: 'external' })
  for (const name of ['bin', 'package.json']) await cp(join(project, name), join(folder, name), { recursive: true })
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'))
  return {
    launcher: join(folder, 'bin', 'kss.cjs'),
    modules: Object.fromEntries(modules.map((path, at) => [path, join(dist, `${named[at]![0]}.js`)])),
  }
}

async function readMutated({ file, text, by }: Mutant): Promise<string> {
  const words = text
    .trim()
    .split(/\s+/)
    .map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  const parts = (await readFile(join(project, 'src', file), 'utf8')).split(new RegExp(words.join('\\s+')))
  if (parts.length !== 2) throw new Error(`${file} has this ${parts.length - 1} times, not once: ${text}`)
  return parts.join(by)
}

function mutate({ file }: Mutant, contents: string): Plugin {
  const path = join(project, 'src', file)
  return {
    name: 'mutate',
    setup(build) {
      let isLoaded = false
      build.onLoad({ filter: /\.ts$/ }, (module) => {
        if (module.path !== path) return undefined
        isLoaded = true
        return { contents, loader: 'ts' }
      })
      build.onEnd(() => (isLoaded ? {} : { errors: [{ text: `${file} is not in the build` }] }))
    },
  }
}

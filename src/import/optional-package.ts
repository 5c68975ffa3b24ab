import { createRequire } from 'node:module'
import { SourceError } from './source.ts'

const { resolve } = createRequire(import.meta.url)

/**
 * Loads a package that only one importer needs and that kss does not install. Throws a SourceError when it is missing,
 * which names the version of the optional peer dependency in package.json.
 */
export async function importOptional<T>(name: string, version: string): Promise<T> {
  try {
    resolve(name)
  } catch (cause) {
    const wanted = `${name}@${version}`
    const line = `This import needs the package ${name}, which is not installed.`
    throw new SourceError(`${line} Try: npm i -g ${wanted}`, { cause })
  }
  return (await import(name)) as T
}

import { createRequire } from 'node:module'
import { CommandError } from './command-error.ts'

const { resolve } = createRequire(import.meta.url)

/** A package that only one part needs, and that kss does not install. The message says how to get it. */
export class MissingPackage extends CommandError {}

/**
 * Loads such a package for what is named. Throws MissingPackage, which names the version of the optional peer dependency in
 * package.json.
 */
export async function importOptional<T>(name: string, version: string, part: string): Promise<T> {
  try {
    resolve(name)
  } catch (cause) {
    const line = `${part} needs the package ${name}, which is not installed.`
    throw new MissingPackage(`${line} Try: npm i -g ${name}@${version}`, undefined, { cause })
  }
  return (await import(name)) as T
}

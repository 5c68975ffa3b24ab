import { importOptional as load, MissingPackage } from '../optional-package.ts'
import { SourceError } from './source.ts'

/** Loads a package that only one importer needs. Throws a SourceError when it is missing. */
export async function importOptional<T>(name: string, version: string): Promise<T> {
  try {
    return await load<T>(name, version, 'This import')
  } catch (cause) {
    if (!(cause instanceof MissingPackage)) throw cause
    throw new SourceError(cause.message, { cause })
  }
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

interface Manifest {
  apiVersion: string
  kind: string
}

/**
 * What the compiler says of manifests as values of the types of kubernetes-types, which are made of the API's own schema. Unlike
 * a JSON schema of it, they refuse a field that there is not. The folder is in the project, whose packages they are.
 */
export function typeErrors(folder: string, manifests: Manifest[]): string[] {
  const lines = manifests.map(({ apiVersion, kind, ...rest }, at) => {
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion]
    const module = `kubernetes-types/${group!.replace('.k8s.io', '')}/${version}`
    const value = JSON.stringify({ apiVersion, kind, ...rest }, null, 2)
    return `export const value${at}: import('${module}').${kind} = ${value}`
  })
  const file = join(folder, 'manifests.ts')
  writeFileSync(file, lines.join('\n'))
  const { ESNext: module } = ts.ModuleKind
  const { Bundler: moduleResolution } = ts.ModuleResolutionKind
  const options = { strict: true, noEmit: true, module, moduleResolution, types: [], lib: ['lib.es5.d.ts'] }
  const errors = ts.getPreEmitDiagnostics(ts.createProgram([file], options))
  return errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

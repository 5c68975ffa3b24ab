import { createHash } from 'node:crypto'
import { readAsset } from './read-asset.ts'

/** The assets of the pages. Their names have a hash of the content, so that browsers may cache them for good. */
export interface Assets {
  style: string
  script: string
  files: Map<string, { file: Buffer; type: string }>
}

const types = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' }

/** The style sheet and the script, by name. */
export async function readAssets(): Promise<Assets> {
  const files: Assets['files'] = new Map()
  const read = async (name: string, extension: keyof typeof types): Promise<string> => {
    const file = await readAsset(`${name}.${extension}`)
    const hash = createHash('sha256').update(file).digest('hex').slice(0, 16)
    const hashed = `${name}-${hash}.${extension}`
    files.set(hashed, { file, type: types[extension] })
    return hashed
  }
  return { style: await read('style', 'css'), script: await read('script', 'js'), files }
}

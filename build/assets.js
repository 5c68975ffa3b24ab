import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'

/** Copies what browsers get to the folder of the module that reads it. */
export function copyAssets(sources, folder) {
  for (const name of ['style.css', 'script.js']) {
    const path = join(sources, 'console', name)
    if (existsSync(path)) cpSync(path, join(folder, name))
  }
}

import { isAbsolute } from 'node:path'
import type { Values } from './config.ts'

/**
 * A folder for files that need not survive the system: of systemd's RuntimeDirectory= the first one, else that of the
 * user's session. Undefined where there is none.
 */
export function findRuntimeDir(env: Values, platform: string): string | undefined {
  const [first] = String(env['RUNTIME_DIRECTORY'] ?? '').split(':')
  const path = first || String(env['XDG_RUNTIME_DIR'] ?? '')
  return platform === 'linux' && isAbsolute(path) ? path : undefined
}

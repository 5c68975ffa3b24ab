import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Values } from './config.ts'

/** The default folders of Python kss on Linux and macOS. @see STORAGE.md §1 */
export function defaultDir(env: Values, platform: string): string {
  const { XDG_DATA_HOME, LOCALAPPDATA } = env
  if (XDG_DATA_HOME) return join(String(XDG_DATA_HOME), 'kss')
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'kss')
  if (platform === 'win32' && LOCALAPPDATA) return join(String(LOCALAPPDATA), 'kss')
  return join(homedir(), '.local', 'share', 'kss')
}

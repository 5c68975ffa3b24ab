import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bridgeAccountFolder } from '../store/file-store/files/folder-names.ts'
import type { Account } from '../store/store.ts'
import { isFolder, type State } from '../control/state.ts'
import { findUser } from './accounts.ts'

/** Brings the links to Audiobookshelf that the user of an unpacked archive made by hand. */
export async function restoreLinks(
  dir: string,
  account: Account,
  state: State,
  onDamage: (error: unknown) => void,
): Promise<void> {
  const { username, folder } = account
  if (!existsSync(join(dir, folder, bridgeAccountFolder))) return
  const { copyLinks, countLinks } = await import('../audiobookshelf/copy-links.ts')
  const from = { dir, account }
  if ((await countLinks(from, onDamage)) === 0) return
  // A running server has the links in memory, and would overwrite the file.
  if (!isFolder(state) || state.server)
    return onDamage(new Error(`the links of "${username}" to Audiobookshelf: ${why(state)}`))
  await copyLinks(from, { dir: state.dir, account: (await findUser(state, username)).account }, onDamage)
}

function why(state: State): string {
  return isFolder(state)
    ? 'stop the server, then restore again with --merge'
    : 'with KSS_STORE they are linked again in the web console'
}
